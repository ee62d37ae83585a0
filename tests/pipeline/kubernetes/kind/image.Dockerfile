#checkov:skip=CKV_DOCKER_2:kubelet asks the programs themselves
#checkov:skip=CKV_DOCKER_3:as upstream's images of the control plane
# One program of the control plane under the name that kubeadm's manifests give it.
FROM scratch
ARG PROGRAM
COPY ${PROGRAM} /usr/local/bin/${PROGRAM}
ENV PATH=/usr/local/bin
