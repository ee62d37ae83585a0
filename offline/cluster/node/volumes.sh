#!/bin/bash
# Makes a folder of this node for each claim of the class "standard", and removes it after the claim.
# Usage: volumes.sh FOLDER
set -euo pipefail
folder=$1

provision() { # NAMESPACE NAME UID SIZE MODE
  mkdir -p "$folder/pvc-$3"
  # Pods run as users of their own, and fsGroup does not apply to folders of the node.
  chmod 0777 "$folder/pvc-$3"
  kubectl apply --server-side --filename - <<END
apiVersion: v1
kind: PersistentVolume
metadata: {name: "pvc-$3", labels: {delivery/volume: folder}}
spec:
  accessModes: ["$5"]
  capacity: {storage: "$4"}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: "$1", name: "$2", uid: "$3"}
  hostPath: {path: "$folder/pvc-$3"}
  persistentVolumeReclaimPolicy: Retain
  storageClassName: standard
END
}

reconcile() {
  local claims released namespace name uid size mode volume
  claims=$(kubectl get persistentvolumeclaims --all-namespaces --no-headers --output=custom-columns="\
:.spec.storageClassName,:.spec.volumeName,:.metadata.namespace,:.metadata.name,:.metadata.uid,\
:.spec.resources.requests.storage,:.spec.accessModes[0]" | awk '$1 == "standard" && $2 == "<none>" {$1 = $2 = ""; print}')
  while read -r namespace name uid size mode; do
    [ -z "$namespace" ] || provision "$namespace" "$name" "$uid" "$size" "$mode"
  done <<<"$claims"
  released=$(kubectl get persistentvolumes --selector=delivery/volume=folder --no-headers \
    --output=custom-columns=:.metadata.name,:.status.phase | awk '$2 == "Released" {print $1}')
  for volume in $released; do
    rm -rf "${folder:?}/$volume"
    kubectl delete persistentvolume "$volume"
  done
}

# A watch begins with what there is. It ends each minute, for volumes are released a moment after their claims are gone;
# whoever starts this script starts it again.
{ timeout 60 kubectl get persistentvolumeclaims --all-namespaces --watch --no-headers || echo; } | while read -r _; do
  # Changes that come together are handled together.
  while read -r -t 0.05 _; do continue; done
  reconcile
done
