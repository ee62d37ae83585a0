package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"sort"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
)

// loadBalancer gives each Service of type LoadBalancer an address of its own; kube-proxy serves it. The
// oldest gets the node's address, whose port 80 is also published on the machine's loopback.
type loadBalancer struct {
	client   kubernetes.Interface
	services listers.ServiceLister
	node     netip.Addr
	first    netip.Addr
	device   string
}

func (b *loadBalancer) reconcile(ctx context.Context) error {
	services, err := b.services.List(labels.Everything())
	if err != nil {
		return err
	}
	sort.Slice(services, func(i, j int) bool {
		left, right := services[i], services[j]
		if !left.CreationTimestamp.Equal(&right.CreationTimestamp) {
			return left.CreationTimestamp.Before(&right.CreationTimestamp)
		}
		return left.UID < right.UID
	})
	taken := map[netip.Addr]bool{}
	waiting := []*corev1.Service{}
	for _, service := range services {
		if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		address, ok := assigned(service)
		if ok && !taken[address] {
			taken[address] = true
			if err := b.hold(ctx, address); err != nil {
				return err
			}
			continue
		}
		waiting = append(waiting, service)
	}
	for _, service := range waiting {
		address := b.free(taken)
		taken[address] = true
		if err := b.hold(ctx, address); err != nil {
			return err
		}
		changed := service.DeepCopy()
		changed.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String()}}
		if _, err := b.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("address for service %s/%s: %w", service.Namespace, service.Name, err)
		}
	}
	return nil
}

func assigned(service *corev1.Service) (netip.Addr, bool) {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil {
			return address, true
		}
	}
	return netip.Addr{}, false
}

func (b *loadBalancer) free(taken map[netip.Addr]bool) netip.Addr {
	if !taken[b.node] {
		return b.node
	}
	address := b.first
	for taken[address] {
		address = address.Next()
	}
	return address
}

// hold makes the node answer for an address; `replace` also succeeds where it already does.
func (b *loadBalancer) hold(ctx context.Context, address netip.Addr) error {
	if address == b.node {
		return nil
	}
	out, err := exec.CommandContext(ctx, "ip", "address", "replace", address.String()+"/32", "dev", b.device).CombinedOutput()
	if err != nil {
		return fmt.Errorf("address %s on %s: %w: %s", address, b.device, err, out)
	}
	return nil
}
