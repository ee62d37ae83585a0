{{/* The application's pods, of a Deployment or of a Rollout. */}}
{{- define "delivery.podTemplate" -}}
{{- $probes := (include "delivery.project" . | fromYaml).probes -}}
{{- $sqlite := eq .Values.database.engine "sqlite" -}}
metadata:
  annotations:
    checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "delivery.selectorLabels" (list . "web") | nindent 4 }}
spec:
  serviceAccountName: {{ include "delivery.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.shutdown.gracePeriodSeconds }}
  securityContext:
    {{- include "delivery.podSecurityContext" . | nindent 4 }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "delivery.placement" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if and (include "delivery.migrate" .) (or $sqlite (include "delivery.bundledDatabase" .)) }}
  initContainers:
    # `helm install` starts the bundled database together with these pods, so no hook could have migrated it before;
    # an SQLite file is in the pods' volume.
    - name: migrate
      image: {{ include "delivery.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: {{ include "delivery.migrate" . }}
      envFrom:
        - configMapRef:
            name: {{ include "delivery.fullname" . }}
        {{- with .Values.envFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        {{- include "delivery.environment" . | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "delivery.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        {{- include "delivery.volumeMounts" . | nindent 8 }}
  {{- end }}
  containers:
    - name: {{ .Chart.Name }}
      image: {{ include "delivery.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      ports:
        - name: http
          containerPort: {{ include "delivery.port" . }}
          protocol: TCP
      envFrom:
        - configMapRef:
            name: {{ include "delivery.fullname" . }}
        {{- with .Values.envFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      env:
        {{- include "delivery.environment" . | nindent 8 }}
        {{- range .Values.env }}
        {{- if hasKey . "valueFrom" }}
        - {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- end }}
      startupProbe:
        httpGet:
          path: {{ $probes.live }}
          port: http
        periodSeconds: {{ .Values.probes.startup.periodSeconds }}
        failureThreshold: {{ .Values.probes.startup.failureThreshold }}
        timeoutSeconds: 2
      readinessProbe:
        httpGet:
          path: {{ $probes.ready }}
          port: http
        periodSeconds: {{ .Values.probes.readiness.periodSeconds }}
        failureThreshold: {{ .Values.probes.readiness.failureThreshold }}
        timeoutSeconds: 5
      livenessProbe:
        httpGet:
          path: {{ $probes.live }}
          port: http
        periodSeconds: {{ .Values.probes.liveness.periodSeconds }}
        failureThreshold: {{ .Values.probes.liveness.failureThreshold }}
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "delivery.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        {{- include "delivery.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "delivery.volumes" . | nindent 4 }}
  {{- if .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "delivery.selectorLabels" (list $ "web") | nindent 10 }}
      # Each rollout is spread by itself; the old version's pods do not count.
      matchLabelKeys: [{{ ternary "rollouts-pod-template-hash" "pod-template-hash" $.Values.canary.enabled }}]
    {{- end }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
