package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
)

// The hooks see every packet of pods because the CNI plugin routes instead of bridging; kube-proxy has translated
// Service addresses by then. What a pod sends to the node itself (the API server) is input there, not forwarded.
// The node's own traffic (kubelet's probes) is output and so always allowed. `add` before `delete`: the first run has
// no table to delete.
const table = `add table inet network-policy
delete table inet network-policy
table inet network-policy {
%[1]s  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
%[2]s%[3]s  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
%[3]s  }
}
`

const anyProtocol = "meta l4proto { tcp, udp, sctp, icmp }"

// cluster is what decides about packets: the pods of the network that have an address, and the labels of namespaces.
type cluster struct {
	policies   []*networkingv1.NetworkPolicy
	pods       []*corev1.Pod
	namespaces map[string]labels.Set
}

type listers struct {
	policies   networkinglisters.NetworkPolicyLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
}

// rule is a NetworkPolicy's ingress or egress rule.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func (l listers) script() (string, error) {
	policies, policiesErr := l.policies.List(labels.Everything())
	pods, podsErr := l.pods.List(labels.Everything())
	namespaces, namespacesErr := l.namespaces.List(labels.Everything())
	if err := errors.Join(policiesErr, podsErr, namespacesErr); err != nil {
		return "", err
	}
	c := cluster{policies: policies, namespaces: map[string]labels.Set{}}
	for _, pod := range pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !ended {
			c.pods = append(c.pods, pod)
		}
	}
	for _, namespace := range namespaces {
		c.namespaces[namespace.Name] = namespace.Labels
	}
	slices.SortFunc(c.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Status.PodIP, b.Status.PodIP) })
	slices.SortFunc(c.policies, func(a, b *networkingv1.NetworkPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return c.script(), nil
}

// script returns the nftables rules for the pods that some policy isolates, each pod and direction in its own chain.
func (c cluster) script() string {
	var chains, ingress, egress strings.Builder
	for _, pod := range c.pods {
		address := pod.Status.PodIP
		name := strings.ReplaceAll(address, ".", "-")
		if matches, isolated := c.allowed(pod, networkingv1.PolicyTypeIngress); isolated {
			fmt.Fprintf(&chains, "  chain ingress-%s {\n%s    drop\n  }\n", name, matches)
			fmt.Fprintf(&ingress, "    ip daddr %s jump ingress-%s\n", address, name)
		}
		if matches, isolated := c.allowed(pod, networkingv1.PolicyTypeEgress); isolated {
			fmt.Fprintf(&chains, "  chain egress-%s {\n%s    drop\n  }\n", name, matches)
			fmt.Fprintf(&egress, "    ip saddr %s jump egress-%s\n", address, name)
		}
	}
	return fmt.Sprintf(table, chains.String(), ingress.String(), egress.String())
}

// allowed returns what the policies let through for one pod, a line each, and whether any policy isolates it.
func (c cluster) allowed(pod *corev1.Pod, direction networkingv1.PolicyType) (lines string, isolated bool) {
	for _, policy := range c.policies {
		if policy.Namespace != pod.Namespace || !slices.Contains(policy.Spec.PolicyTypes, direction) ||
			!selects(&policy.Spec.PodSelector, pod.Labels) {
			continue
		}
		isolated = true
		for _, rule := range rules(policy, direction) {
			for _, match := range c.matches(pod, policy.Namespace, rule, direction) {
				lines += fmt.Sprintf("    %s return\n", match)
			}
		}
	}
	return lines, isolated
}

func rules(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) (all []rule) {
	if direction == networkingv1.PolicyTypeIngress {
		for _, ingress := range policy.Spec.Ingress {
			all = append(all, rule{ingress.From, ingress.Ports})
		}
		return all
	}
	for _, egress := range policy.Spec.Egress {
		all = append(all, rule{egress.To, egress.Ports})
	}
	return all
}

// matches combines the peers of one rule with its ports; a named port is one of the pod that receives.
func (c cluster) matches(pod *corev1.Pod, namespace string, rule rule, direction networkingv1.PolicyType) (all []string) {
	side, receiver := "ip saddr", pod
	if direction == networkingv1.PolicyTypeEgress {
		side, receiver = "ip daddr", nil
	}
	if len(rule.peers) == 0 {
		return portMatches(rule.ports, receiver)
	}
	add := func(address string, receiver *corev1.Pod) {
		for _, port := range portMatches(rule.ports, receiver) {
			all = append(all, fmt.Sprintf("%s %s %s", side, address, port))
		}
	}
	for _, peer := range rule.peers {
		if peer.IPBlock != nil {
			if strings.Contains(peer.IPBlock.CIDR, ":") {
				continue // pods have IPv4 addresses alone
			}
			address := peer.IPBlock.CIDR
			if len(peer.IPBlock.Except) > 0 {
				address += fmt.Sprintf(" %s != { %s }", side, strings.Join(peer.IPBlock.Except, ", "))
			}
			add(address, receiver)
			continue
		}
		for _, other := range c.pods {
			if !c.isPeer(peer, namespace, other) {
				continue
			}
			if direction == networkingv1.PolicyTypeEgress {
				receiver = other
			}
			add(other.Status.PodIP, receiver)
		}
	}
	return all
}

// portMatches returns one match a port; a named port that the receiver lacks gives none, no ports at all mean any.
func portMatches(ports []networkingv1.NetworkPolicyPort, receiver *corev1.Pod) (all []string) {
	if len(ports) == 0 {
		return []string{anyProtocol}
	}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			all = append(all, "meta l4proto "+name)
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			all = append(all, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			all = append(all, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		case receiver != nil:
			for _, container := range receiver.Spec.Containers {
				for _, candidate := range container.Ports {
					if candidate.Name == port.Port.StrVal && candidate.Protocol == protocol {
						all = append(all, fmt.Sprintf("%s dport %d", name, candidate.ContainerPort))
					}
				}
			}
		}
	}
	return all
}

func (c cluster) isPeer(peer networkingv1.NetworkPolicyPeer, namespace string, pod *corev1.Pod) bool {
	if peer.NamespaceSelector == nil && pod.Namespace != namespace {
		return false
	}
	if peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, c.namespaces[pod.Namespace]) {
		return false
	}
	return peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)
}

// selects takes a selector that the API server has validated.
func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(set)
}
