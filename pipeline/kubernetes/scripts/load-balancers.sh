#!/bin/bash
# Gives each Service of type LoadBalancer an address of this node's network; kube-proxy serves it. The oldest gets the
# node's address, whose port 80 is also published on the machine's loopback; the others count down from the network's last.
set -euo pipefail
device=eth0
read -r node broadcast < <(ip -4 -o address show dev "$device" | awk '$5 == "brd" {sub("/.*", "", $4); print $4, $6}')

services() {
  kubectl get services --all-namespaces --sort-by=.metadata.creationTimestamp --no-headers --output=custom-columns="\
:.spec.type,:.metadata.namespace,:.metadata.name,:.status.loadBalancer.ingress[0].ip" | awk '$1 == "LoadBalancer"'
}

assign() {
  local listed taken address type namespace name assigned last
  listed=$(services)
  taken=" $(awk '{print $4}' <<<"$listed" | xargs) "
  while read -r type namespace name assigned; do
    [ -n "$type" ] || continue
    address=$assigned last=${broadcast##*.}
    if [ "$assigned" = '<none>' ]; then
      address=$node
      while [[ $taken == *" $address "* ]]; do address=${broadcast%.*}.$((last -= 1)); done
      taken+="$address "
    fi
    # `replace` also succeeds where the node has the address already.
    [ "$address" = "$node" ] || ip address replace "$address/32" dev "$device"
    [ "$assigned" != '<none>' ] || kubectl patch service "$name" --namespace="$namespace" --subresource=status \
      --patch="{\"status\": {\"loadBalancer\": {\"ingress\": [{\"ip\": \"$address\"}]}}}"
  done <<<"$listed"
}

# A watch begins with what there is, and ends after some minutes: whoever starts this script starts it again.
kubectl get services --all-namespaces --watch --no-headers | while read -r _; do
  # Changes that come together are handled together.
  while read -r -t 0.05 _; do continue; done
  assign
done
