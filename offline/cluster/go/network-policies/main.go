// Command network-policies enforces the NetworkPolicies of a cluster of one node, whose CNI plugin routes (ptp).
package main

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	// Changes that come together are handled together.
	settle = 50 * time.Millisecond
	resync = time.Minute
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), resync)
	policies, core := factory.Networking().V1().NetworkPolicies(), factory.Core().V1()
	source := listers{policies.Lister(), core.Pods().Lister(), core.Namespaces().Lister()}
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		policies.Informer(), core.Pods().Informer(), core.Namespaces().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			klog.Fatal(err)
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	applied := ""
	for notify(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		time.Sleep(settle)
		script, err := source.script()
		if err == nil && script != applied {
			err = apply(ctx, script)
		}
		if err != nil {
			klog.Error(err)
			time.AfterFunc(time.Second, notify)
			continue
		}
		applied = script
	}
}

func apply(ctx context.Context, script string) error {
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(script)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}
