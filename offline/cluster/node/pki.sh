#!/bin/sh
# Makes the cluster's certificates and the kubeconfig of each component, once for an address; they live in the state volume.
# Usage: pki.sh FOLDER NODE_NAME NODE_ADDRESS
set -eu
folder=$1 node=$2 address=$3
mkdir -p "$folder"
cd "$folder"
[ "$(cat complete 2>/dev/null)" != "$address" ] || exit 0

authority() { # NAME COMMON_NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -keyout "$1.key" -out "$1.crt" -subj "/CN=$2" -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}

certificate() { # NAME AUTHORITY SUBJECT USAGE [ALTERNATIVE_NAMES]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -keyout "$1.key" -out "$1.csr" -subj "$3" 2>/dev/null
  {
    echo 'keyUsage=critical,digitalSignature'
    echo "extendedKeyUsage=$4"
    [ -z "${5:-}" ] || echo "subjectAltName=$5"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 \
    -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

kubeconfig() { # NAME SERVER
  cat >"$1.conf" <<END
apiVersion: v1
kind: Config
clusters:
  - name: local
    cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}
users:
  - name: $1
    user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}
contexts:
  - name: local
    context: {cluster: local, user: $1}
current-context: local
END
  chmod 0600 "$1.conf"
}

authority ca kubernetes-ca
authority front-proxy-ca front-proxy-ca
openssl ecparam -name prime256v1 -genkey -noout -out service-accounts.key
openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null

certificate apiserver ca /CN=kube-apiserver serverAuth \
  "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,DNS:$node,IP:127.0.0.1,IP:10.96.0.1,IP:$address"
certificate kubelet-serving ca "/CN=$node" serverAuth "DNS:$node,IP:$address"
certificate metrics-server-serving ca /CN=metrics-server serverAuth \
  'DNS:metrics-server.kube-system.svc,DNS:metrics-server.kube-system'
certificate apiserver-kubelet-client ca /CN=kube-apiserver-kubelet-client clientAuth
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
certificate admin ca /O=system:masters/CN=admin clientAuth
certificate controller-manager ca /CN=system:kube-controller-manager clientAuth
certificate scheduler ca /CN=system:kube-scheduler clientAuth
certificate kubelet ca "/O=system:nodes/CN=system:node:$node" clientAuth
certificate kube-proxy ca /CN=system:kube-proxy clientAuth
certificate network-policies ca /CN=network-policies clientAuth
certificate metrics-server ca /CN=metrics-server clientAuth
for name in admin controller-manager scheduler kubelet kube-proxy network-policies metrics-server; do
  kubeconfig "$name" https://127.0.0.1:6443
done
echo "$address" >complete
