#!/bin/sh
# Runs a whole Kubernetes node in this container. Each component is restarted when it ends; logs are in /var/log/cluster.
#   NODE_NAME      name of the node
#   CGROUP_ROOT    cgroup of the pods
#   UPSTREAM_DNS   name servers for names outside the cluster
set -eu

NODE_ADDRESS=$(ip -4 -o address show dev eth0 | awk '{sub("/.*", "", $4); print $4; exit}')

state=/var/lib/cluster
pki=$state/pki
logs=/var/log/cluster
mkdir -p "$state" "$logs" /run/cluster /var/lib/volumes

# Leases of pods that ended with the container.
rm -rf /var/lib/cni/networks
pki.sh "$pki" "$NODE_NAME" "$NODE_ADDRESS"

configure() { # TEMPLATE TARGET
  sed -e "s|@NODE_NAME@|$NODE_NAME|g" -e "s|@NODE_ADDRESS@|$NODE_ADDRESS|g" -e "s|@CGROUP_ROOT@|$CGROUP_ROOT|g" \
    -e "s|@CA@|$(base64 -w0 "$pki/ca.crt")|g" "$1" >"$2"
}
mkdir -p /etc/cni/net.d /etc/containerd /run/cluster/manifests
cp /etc/cluster/containerd.toml /etc/containerd/config.toml
cp /etc/cluster/network.conflist /etc/cni/net.d/10-network.conflist
configure /etc/cluster/kubelet.yaml /run/cluster/kubelet.yaml
for manifest in /etc/cluster/manifests/*.yaml; do
  configure "$manifest" "/run/cluster/manifests/${manifest##*/}"
done
for server in $UPSTREAM_DNS; do echo "nameserver $server"; done >/run/cluster/resolv.conf

# Cgroups of pods that ended with the container: kubelet would look for the container of each, three seconds long.
for root in "/sys/fs/cgroup$CGROUP_ROOT" /sys/fs/cgroup/*"$CGROUP_ROOT"; do
  [ ! -d "$root" ] || find "$root" -mindepth 1 -depth -type d -exec rmdir {} \; 2>>"$logs/cgroups.log"
done

if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  # cgroup v2: a cgroup with children may hold no processes itself, so those of this container move into a leaf.
  mkdir -p /sys/fs/cgroup/components "/sys/fs/cgroup$CGROUP_ROOT"
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/components/cgroup.procs 2>/dev/null || continue; done \
    </sys/fs/cgroup/cgroup.procs
  controllers=$(sed -e 's/[a-z0-9_]*/+&/g' -e 's/+ / /g' /sys/fs/cgroup/cgroup.controllers)
  echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control
  echo "$controllers" >"/sys/fs/cgroup$CGROUP_ROOT/cgroup.subtree_control"
else
  for hierarchy in /sys/fs/cgroup/*/; do mkdir -p "$hierarchy$CGROUP_ROOT"; done
  # A new cpuset has no processors and no memory until it is given some.
  for file in cpuset.cpus cpuset.mems; do
    cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset$CGROUP_ROOT/$file"
  done
fi
mount --make-rshared /
echo 1 >/proc/sys/net/ipv4/ip_forward
# A Service address that kube-proxy has not translated yet must not leave the node: whoever answers out there is not it.
nft -f - <<END
add table inet services
flush table inet services
table inet services {
  chain output { type filter hook output priority filter; ip daddr 10.96.0.0/16 reject; }
  chain forward { type filter hook forward priority filter; ip daddr 10.96.0.0/16 reject; }
}
END

supervise() { # NAME COMMAND...
  name=$1
  shift
  while true; do
    "$@" >>"$logs/$name.log" 2>&1 && code=0 || code=$?
    echo "supervisor: $name ended with code $code" >>"$logs/$name.log"
    sleep 0.3
  done
}

supervise containerd containerd &
supervise etcd etcd --data-dir "$state/etcd" --listen-client-urls http://127.0.0.1:2379 \
  --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
  --auto-compaction-retention 10m --log-level warn &
supervise kube-apiserver kube-apiserver --advertise-address "$NODE_ADDRESS" --secure-port 6443 \
  --etcd-servers http://127.0.0.1:2379 --service-cluster-ip-range 10.96.0.0/16 --authorization-mode Node,RBAC \
  --enable-admission-plugins NodeRestriction --allow-privileged --profiling=false \
  --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
  --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
  --kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" --kubelet-client-key "$pki/apiserver-kubelet-client.key" \
  --service-account-issuer https://kubernetes.default.svc.cluster.local \
  --service-account-key-file "$pki/service-accounts.pub" --service-account-signing-key-file "$pki/service-accounts.key" \
  --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
  --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
  --requestheader-extra-headers-prefix X-Remote-Extra- \
  --proxy-client-cert-file "$pki/front-proxy-client.crt" --proxy-client-key-file "$pki/front-proxy-client.key" &
supervise kube-controller-manager kube-controller-manager --kubeconfig "$pki/controller-manager.conf" --leader-elect=false \
  --authentication-kubeconfig "$pki/controller-manager.conf" --authorization-kubeconfig "$pki/controller-manager.conf" \
  --use-service-account-credentials --service-account-private-key-file "$pki/service-accounts.key" \
  --root-ca-file "$pki/ca.crt" --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
  --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --bind-address 127.0.0.1 &
supervise kube-scheduler kube-scheduler --kubeconfig "$pki/scheduler.conf" --leader-elect=false --bind-address 127.0.0.1 \
  --authentication-kubeconfig "$pki/scheduler.conf" --authorization-kubeconfig "$pki/scheduler.conf" &

until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done
supervise kubelet kubelet --config /run/cluster/kubelet.yaml --kubeconfig "$pki/kubelet.conf" \
  --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS" &
supervise kube-proxy kube-proxy --kubeconfig "$pki/kube-proxy.conf" --cluster-cidr 10.244.0.0/16 --proxy-mode iptables \
  --hostname-override "$NODE_NAME" --conntrack-max-per-core 0 --oom-score-adj 0 --iptables-min-sync-period 100ms &
supervise metrics-server metrics-server --kubeconfig "$pki/metrics-server.conf" --secure-port 10260 \
  --authentication-kubeconfig "$pki/metrics-server.conf" --authorization-kubeconfig "$pki/metrics-server.conf" \
  --kubelet-preferred-address-types InternalIP --metric-resolution 15s \
  --tls-cert-file "$pki/metrics-server-serving.crt" --tls-private-key-file "$pki/metrics-server-serving.key" &
kubectl apply --server-side --force-conflicts --filename /run/cluster/manifests >>"$logs/manifests.log" 2>&1
supervise network-policies network-policies --kubeconfig "$pki/network-policies.conf" &
supervise volumes volumes.sh /var/lib/volumes &

stop() {
  trap - TERM
  # Pods end in their own grace time inside containerd's shims, which die with this container.
  kill 0
}
trap stop TERM INT
wait
