package main

import (
	"context"
	"fmt"
	"os/exec"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
)

const table = "inet network-policy"

// policyEnforcer turns all NetworkPolicies into one nftables table, replaced as a whole. It sees every
// packet of pods because the CNI routes (ptp) instead of bridging; kube-proxy has translated Service
// addresses by then. What a pod sends to the node itself (the API server) is input there, not forwarded.
// The node's own traffic (kubelet's probes) is output and so always allowed.
type policyEnforcer struct {
	policies   networkinglisters.NetworkPolicyLister
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	last       string
}

func (e *policyEnforcer) reconcile(ctx context.Context) error {
	policies, err := e.policies.List(labels.Everything())
	if err != nil {
		return err
	}
	all, err := e.pods.List(labels.Everything())
	if err != nil {
		return err
	}
	namespaces, err := e.namespaces.List(labels.Everything())
	if err != nil {
		return err
	}
	pods := []*corev1.Pod{}
	for _, pod := range all {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !ended {
			pods = append(pods, pod)
		}
	}
	sort.Slice(pods, func(i, j int) bool { return pods[i].Status.PodIP < pods[j].Status.PodIP })
	sort.Slice(policies, func(i, j int) bool {
		return policies[i].Namespace+"/"+policies[i].Name < policies[j].Namespace+"/"+policies[j].Name
	})
	labelled := map[string]labels.Set{}
	for _, namespace := range namespaces {
		labelled[namespace.Name] = namespace.Labels
	}
	rules, err := render(policies, pods, labelled)
	if err != nil {
		return err
	}
	if rules == e.last {
		return nil
	}
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	e.last = rules
	return nil
}

// render writes the nftables script for the pods that some policy isolates.
func render(policies []*networkingv1.NetworkPolicy, pods []*corev1.Pod, namespaces map[string]labels.Set) (string, error) {
	jumps, egress, chains := &strings.Builder{}, &strings.Builder{}, &strings.Builder{}
	for _, pod := range pods {
		for _, direction := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
			allowed, isolated, err := podRules(pod, direction, policies, pods, namespaces)
			if err != nil {
				return "", err
			}
			if !isolated {
				continue
			}
			chain := strings.ToLower(string(direction)) + "-" + strings.NewReplacer(".", "-", ":", "-").Replace(pod.Status.PodIP)
			side := map[networkingv1.PolicyType]string{"Ingress": "daddr", "Egress": "saddr"}[direction]
			jump := fmt.Sprintf("    %s %s %s jump %s\n", family(pod.Status.PodIP), side, pod.Status.PodIP, chain)
			jumps.WriteString(jump)
			if direction == networkingv1.PolicyTypeEgress {
				egress.WriteString(jump)
			}
			fmt.Fprintf(chains, "  chain %s {\n", chain)
			for _, rule := range allowed {
				fmt.Fprintf(chains, "    %s return\n", rule)
			}
			fmt.Fprintf(chains, "    drop\n  }\n")
		}
	}
	// `add` before `delete`: the first run has no table to delete.
	return fmt.Sprintf("add table %[1]s\ndelete table %[1]s\ntable %[1]s {\n%[2]s"+
		"  chain forward {\n    type filter hook forward priority filter; policy accept;\n"+
		"    ct state established,related accept\n%[3]s  }\n"+
		"  chain input {\n    type filter hook input priority filter; policy accept;\n"+
		"    ct state established,related accept\n%[4]s  }\n}\n", table, chains, jumps, egress), nil
}

// podRules returns the nft matches that the policies allow one pod, and whether any policy isolates it.
func podRules(
	pod *corev1.Pod, direction networkingv1.PolicyType, policies []*networkingv1.NetworkPolicy,
	pods []*corev1.Pod, namespaces map[string]labels.Set,
) (allowed []string, isolated bool, err error) {
	for _, policy := range policies {
		if policy.Namespace != pod.Namespace || !hasType(policy, direction) {
			continue
		}
		selects, err := matches(&policy.Spec.PodSelector, pod.Labels)
		if err != nil {
			return nil, false, err
		}
		if !selects {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeIngress {
			for _, rule := range policy.Spec.Ingress {
				more, err := ruleMatches("saddr", policy.Namespace, rule.From, rule.Ports, pods, namespaces, pod)
				if err != nil {
					return nil, false, err
				}
				allowed = append(allowed, more...)
			}
			continue
		}
		for _, rule := range policy.Spec.Egress {
			more, err := ruleMatches("daddr", policy.Namespace, rule.To, rule.Ports, pods, namespaces, nil)
			if err != nil {
				return nil, false, err
			}
			allowed = append(allowed, more...)
		}
	}
	return allowed, isolated, nil
}

// ruleMatches combines the peers of one rule with its ports. receiver is the pod whose named ports count;
// nil means that each peer is the receiver itself.
func ruleMatches(
	side, namespace string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort,
	pods []*corev1.Pod, namespaces map[string]labels.Set, receiver *corev1.Pod,
) ([]string, error) {
	found := []string{}
	if len(peers) == 0 {
		for _, match := range portMatches(ports, receiver) {
			if match == "" {
				match = "meta l4proto { tcp, udp, sctp, icmp, icmpv6 }"
			}
			found = append(found, match)
		}
		return found, nil
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			address := fmt.Sprintf("%s %s %s", family(peer.IPBlock.CIDR), side, peer.IPBlock.CIDR)
			if len(peer.IPBlock.Except) > 0 {
				address += fmt.Sprintf(" %s %s != { %s }", family(peer.IPBlock.CIDR), side, strings.Join(peer.IPBlock.Except, ", "))
			}
			for _, match := range portMatches(ports, receiver) {
				found = append(found, strings.TrimSpace(address+" "+match))
			}
			continue
		}
		for _, pod := range pods {
			selected, err := peerSelects(peer, namespace, pod, namespaces)
			if err != nil {
				return nil, err
			}
			if !selected {
				continue
			}
			target := receiver
			if target == nil {
				target = pod
			}
			for _, match := range portMatches(ports, target) {
				found = append(found, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", family(pod.Status.PodIP), side, pod.Status.PodIP, match)))
			}
		}
	}
	return found, nil
}

// portMatches returns one match a port; a named port that the receiver lacks gives none, no ports at all mean any.
func portMatches(ports []networkingv1.NetworkPolicyPort, receiver *corev1.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	found := []string{}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			found = append(found, "meta l4proto "+name)
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			found = append(found, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		case receiver != nil:
			for _, container := range receiver.Spec.Containers {
				for _, candidate := range container.Ports {
					same := candidate.Protocol == protocol || (candidate.Protocol == "" && protocol == corev1.ProtocolTCP)
					if candidate.Name == port.Port.StrVal && same {
						found = append(found, fmt.Sprintf("%s dport %d", name, candidate.ContainerPort))
					}
				}
			}
		}
	}
	return found
}

func peerSelects(peer networkingv1.NetworkPolicyPeer, namespace string, pod *corev1.Pod, namespaces map[string]labels.Set) (bool, error) {
	if peer.NamespaceSelector == nil {
		if pod.Namespace != namespace {
			return false, nil
		}
	} else if ok, err := matches(peer.NamespaceSelector, namespaces[pod.Namespace]); !ok || err != nil {
		return false, err
	}
	if peer.PodSelector == nil {
		return true, nil
	}
	return matches(peer.PodSelector, pod.Labels)
}

func matches(selector *metav1.LabelSelector, set labels.Set) (bool, error) {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(set), err
}

func hasType(policy *networkingv1.NetworkPolicy, wanted networkingv1.PolicyType) bool {
	for _, one := range policy.Spec.PolicyTypes {
		if one == wanted {
			return true
		}
	}
	return false
}

func family(address string) string {
	if strings.Contains(address, ":") {
		return "ip6"
	}
	return "ip"
}
