// Command metrics-server serves the resource metrics API with the packages of metrics-server itself.
//
// Its own main package brings OpenAPI definitions generated for a newer Kubernetes than the one this
// module pins; the API server's own definitions describe the same types.
package main

import (
	"flag"
	"log"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/pkg/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/server"
)

const kubeletPort = 10250

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	port := flag.Int("secure-port", 10260, "port of the metrics API")
	certificate := flag.String("tls-cert-file", "", "certificate of the metrics API")
	key := flag.String("tls-private-key-file", "", "its key")
	resolution := flag.Duration("metric-resolution", 15*time.Second, "how often kubelets are asked")
	flag.Parse()
	if err := run(*kubeconfig, *certificate, *key, *port, *resolution); err != nil {
		log.Fatal(err)
	}
}

func run(kubeconfig, certificate, key string, port int, resolution time.Duration) error {
	cluster, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	cluster.ContentType = "application/vnd.kubernetes.protobuf"
	apiserver, err := apiserverConfig(kubeconfig, certificate, key, port)
	if err != nil {
		return err
	}
	metrics, err := (&server.Config{
		Apiserver:        apiserver,
		Rest:             cluster,
		Kubelet:          kubeletConfig(cluster),
		MetricResolution: resolution,
		ScrapeTimeout:    resolution * 2 / 3,
	}).Complete()
	if err != nil {
		return err
	}
	return metrics.RunUntil(genericapiserver.SetupSignalHandler())
}

func kubeletConfig(cluster *rest.Config) *client.KubeletClientConfig {
	return &client.KubeletClientConfig{
		Client:              *rest.CopyConfig(cluster),
		AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		Scheme:              "https",
		DefaultPort:         kubeletPort,
		UseNodeStatusPort:   true,
	}
}

func apiserverConfig(kubeconfig, certificate, key string, port int) (*genericapiserver.Config, error) {
	config := genericapiserver.NewConfig(api.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	config.ExternalAddress = "127.0.0.1:443"
	names := openapinamer.NewDefinitionNamer(api.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, names)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, names)

	serving := options.NewSecureServingOptions().WithLoopback()
	serving.BindPort = port
	serving.BindAddress = net.IPv4zero
	serving.ServerCert.CertKey = options.CertKey{CertFile: certificate, KeyFile: key}
	if err := serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	authentication := options.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = kubeconfig
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, nil); err != nil {
		return nil, err
	}
	authorization := options.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = kubeconfig
	authorization.WithAlwaysAllowPaths("/livez", "/readyz")
	return config, authorization.ApplyTo(&config.Authorization)
}
