// Command node-agent gives a cluster of one node what a cloud gives others: addresses for Services of
// type LoadBalancer, volumes for claims, and enforced NetworkPolicies.
package main

import (
	"context"
	"flag"
	"net/netip"
	"os/signal"
	"slices"
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
	nodeAddress := flag.String("node-address", "", "the node's own address: the first Service's load balancer")
	firstAddress := flag.String("first-address", "", "first of the addresses for further load balancers")
	device := flag.String("device", "eth0", "network device that gets those addresses")
	volumes := flag.String("volumes", "/var/lib/volumes", "folder for volumes")
	listed := flag.String("duties", "load-balancers,volumes,policies", "what this cluster lacks otherwise")
	flag.Parse()
	duties := strings.Split(*listed, ",")

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	factory := informers.NewSharedInformerFactory(client, resync)
	balancer := &loadBalancer{
		client:   client,
		services: factory.Core().V1().Services().Lister(),
		node:     netip.MustParseAddr(*nodeAddress),
		first:    netip.MustParseAddr(*firstAddress),
		device:   *device,
	}
	provisioner := &volumeProvisioner{
		client:  client,
		claims:  factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		folder:  *volumes,
	}
	policies := &policyEnforcer{
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
		pods:       factory.Core().V1().Pods().Lister(),
		namespaces: factory.Core().V1().Namespaces().Lister(),
	}
	// An informer that nobody asks for is never started.
	if slices.Contains(duties, "load-balancers") {
		watch(ctx, balancer.reconcile, factory.Core().V1().Services().Informer())
	}
	if slices.Contains(duties, "volumes") {
		watch(ctx, provisioner.reconcile,
			factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer())
	}
	if slices.Contains(duties, "policies") {
		watch(ctx, policies.reconcile, factory.Networking().V1().NetworkPolicies().Informer(),
			factory.Core().V1().Pods().Informer(), factory.Core().V1().Namespaces().Informer())
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
}

// watch calls reconcile once the informers know the cluster, and after each change of what they watch.
func watch(ctx context.Context, reconcile func(context.Context) error, sources ...cache.SharedIndexInformer) {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	synced := []cache.InformerSynced{}
	for _, source := range sources {
		_, err := source.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { notify() },
			UpdateFunc: func(any, any) { notify() },
			DeleteFunc: func(any) { notify() },
		})
		if err != nil {
			klog.Fatal(err)
		}
		synced = append(synced, source.HasSynced)
	}
	go func() {
		if !cache.WaitForCacheSync(ctx.Done(), synced...) {
			return
		}
		notify()
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			time.Sleep(settle)
			if err := reconcile(ctx); err != nil {
				klog.Error(err)
				time.AfterFunc(time.Second, notify)
			}
		}
	}()
}
