#checkov:skip=CKV_DOCKER_2:kubelet asks the program itself
#checkov:skip=CKV_DOCKER_3:as upstream's image
#checkov:skip=CKV_DOCKER_7:the base is the image of our own node, built by the pipeline
# kube-proxy with the programs that it calls, and nothing else of the image that they come from.
ARG BASE
FROM ${BASE} AS tools
WORKDIR /
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=SC2046 # a list of libraries
RUN mkdir /picked && \
    cp -a --parents /usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/conntrack /usr/sbin/nft \
      /usr/sbin/iptables* /usr/sbin/ip6tables* /etc/alternatives/iptables* /etc/alternatives/ip6tables* \
      /usr/lib/*/xtables /picked && \
    cp -L --parents $(ldd /usr/sbin/xtables-*-multi /usr/sbin/conntrack /usr/sbin/nft /usr/lib/*/xtables/*.so | grep -oE '[[:space:]]/lib[^ ]+' | sort -u) /picked
FROM scratch
COPY --from=tools /picked/ /
COPY kube-proxy /usr/local/bin/kube-proxy
ENV PATH=/usr/local/bin:/usr/sbin
