{{/* What project.yaml says, as YAML. */}}
{{- define "delivery.project" -}}
{{- .Files.Get "files/project.yaml" -}}
{{- end -}}

{{/* Port that the application listens on. */}}
{{- define "delivery.port" -}}
{{- .Values.service.targetPort | default (include "delivery.project" . | fromYaml).port | int -}}
{{- end -}}

{{/* The command that migrates the database, as JSON; "" where there is none. */}}
{{- define "delivery.migrate" -}}
{{- if and .Values.migrations.enabled (ne .Values.database.engine "none") -}}
{{- with (include "delivery.project" . | fromYaml).migrate -}}{{ toJson . }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Folders that the application writes to besides /tmp, as volumes' mounts; the first keeps an SQLite file. */}}
{{- define "delivery.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- range $index, $path := (include "delivery.project" . | fromYaml).writable | default (list "/data") }}
{{- if ne $path "/tmp" }}
- name: writable-{{ $index }}
  mountPath: {{ $path }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Those volumes. */}}
{{- define "delivery.volumes" -}}
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- range $index, $path := (include "delivery.project" . | fromYaml).writable | default (list "/data") }}
{{- if ne $path "/tmp" }}
- name: writable-{{ $index }}
  {{- if and (eq $.Values.database.engine "sqlite") (eq $index 0) }}
  persistentVolumeClaim:
    claimName: {{ include "delivery.suffixed" (list $ "data") }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Name of the application. */}}
{{- define "delivery.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Full name of the release's resources; the release's name where that already says it. */}}
{{- define "delivery.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "delivery.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "delivery.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Full name with a suffix, cut before the suffix so that the whole stays within 63 characters.
     Input: list of the root context and the suffix. */}}
{{- define "delivery.suffixed" -}}
{{- $root := index . 0 -}}
{{- $suffix := index . 1 -}}
{{- $room := int (sub 62 (len $suffix)) -}}
{{- printf "%s-%s" (include "delivery.fullname" $root | trunc $room | trimSuffix "-") $suffix -}}
{{- end -}}

{{/* Labels that select pods. Never the version: selectors cannot change.
     Input: list of the root context and the component. */}}
{{- define "delivery.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "delivery.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every resource. Input: list of the root context and the component. */}}
{{- define "delivery.labels" -}}
{{- $root := index . 0 -}}
{{ include "delivery.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Where pods may run, of whatever kind: a node that the application needs, its Jobs need, too. */}}
{{- define "delivery.placement" -}}
{{- $placement := dict -}}
{{- range $key := list "priorityClassName" "nodeSelector" "tolerations" -}}
{{- with index $.Values $key }}{{ $_ := set $placement $key . }}{{ end -}}
{{- end -}}
{{- with $placement }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* Of pods whose end would be taken for a fault of the version: autoscalers of nodes leave them alone. */}}
{{- define "delivery.undisturbed" -}}
cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
karpenter.sh/do-not-disrupt: "true"
{{- end -}}

{{/* Of Jobs: a pod that its node has ended is no failed attempt. */}}
{{- define "delivery.podFailurePolicy" -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
{{- end -}}

{{- define "delivery.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository .Values.image.tag -}}
{{- end -}}
{{- end -}}

{{- define "delivery.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "delivery.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* "true" where the chart runs its own PostgreSQL. */}}
{{- define "delivery.bundledDatabase" -}}
{{- if and (eq .Values.database.engine "postgresql") .Values.database.bundled.enabled -}}true{{- end -}}
{{- end -}}

{{/* Secret whose random values a hook makes once; "" where nothing needs it. */}}
{{- define "delivery.generatedSecret" -}}
{{- $token := and .Values.canary.enabled .Values.canary.metrics (not .Values.serviceMonitor.tokenSecret.name) -}}
{{- if or (not .Values.secretKey.existingSecret) (include "delivery.bundledDatabase" .) $token -}}
{{- include "delivery.suffixed" (list . "generated") -}}
{{- end -}}
{{- end -}}

{{/* Most pods that this release may run. */}}
{{- define "delivery.maxReplicas" -}}
{{- if .Values.autoscaling.enabled -}}{{ int .Values.autoscaling.maxReplicas }}{{- else -}}{{ int .Values.replicaCount }}{{- end -}}
{{- end -}}

{{/* "true" where users come by HTTPS, which a proxy in front of the Service ends. */}}
{{- define "delivery.https" -}}
{{- $ingress := .Values.ingress -}}
{{- $route := .Values.httpRoute -}}
{{- if or (hasPrefix "https:" .Values.publicUrl) (and $ingress.enabled (or $ingress.tls $ingress.tlsSecret)) (and $route.enabled $route.tls) -}}true{{- end -}}
{{- end -}}

{{/* URL that users have; "" where its host is not known here. */}}
{{- define "delivery.publicUrl" -}}
{{- $host := "" -}}
{{- if .Values.ingress.enabled -}}{{- $host = .Values.ingress.host -}}{{- end -}}
{{- if .Values.httpRoute.enabled -}}{{- $host = first (append .Values.httpRoute.hostnames $host) -}}{{- end -}}
{{- $scheme := ternary "https" "http" (not (empty (include "delivery.https" .))) -}}
{{- with .Values.publicUrl -}}{{ . }}{{- else -}}{{- with $host -}}{{ printf "%s://%s" $scheme . }}{{- end -}}{{- end -}}
{{- end -}}

{{/* Secrets that the pods read, as a JSON list. */}}
{{- define "delivery.readSecrets" -}}
{{- $database := ternary .Values.database.existingSecret "" (eq .Values.database.engine "postgresql") -}}
{{- $names := list .Values.secretKey.existingSecret $database (include "delivery.generatedSecret" .) -}}
{{- range concat .Values.env .Values.envFrom -}}
{{- $names = append $names (dig "valueFrom" "secretKeyRef" "name" (dig "secretRef" "name" "" .) .) -}}
{{- end -}}
{{- $names | compact | uniq | toJson -}}
{{- end -}}

{{- define "delivery.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "delivery.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Database, secret key and the chart's own settings as environment of a container. */}}
{{- define "delivery.environment" -}}
{{- $database := .Values.database -}}
{{- $generated := include "delivery.generatedSecret" . -}}
- name: SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secretKey.existingSecret | default $generated }}
      key: {{ ternary .Values.secretKey.key "SECRET_KEY" (not (empty .Values.secretKey.existingSecret)) }}
- name: SECRET_KEY_FALLBACKS
  valueFrom:
    secretKeyRef:
      name: {{ .Values.secretKey.existingSecret | default $generated }}
      key: {{ ternary .Values.secretKey.previousKey "SECRET_KEY_FALLBACKS" (not (empty .Values.secretKey.existingSecret)) }}
      optional: true
{{- range (include "delivery.project" . | fromYaml).secrets }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.secretKey.existingSecret | default $generated }}
      key: {{ . }}
{{- end }}
- name: PORT
  value: {{ include "delivery.port" . | quote }}
- name: REPLICAS
  value: {{ include "delivery.maxReplicas" . | quote }}
{{- with .Values.image.digest }}
- name: IMAGE_DIGEST
  value: {{ . | quote }}
{{- end }}
{{- if ne $database.engine "postgresql" }}
{{- else if include "delivery.bundledDatabase" . }}
- name: DATABASE_HOST
  value: {{ include "delivery.suffixed" (list . "database") }}
- name: DATABASE_PORT
  value: "5432"
- name: DATABASE_NAME
  value: application
- name: DATABASE_USER
  value: application
- name: DATABASE_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $generated }}
      key: DATABASE_PASSWORD
{{- else if $database.secretKeys.url }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $database.existingSecret }}
      key: {{ $database.secretKeys.url }}
{{- else }}
{{- $secret := $database.existingSecret -}}
{{- range $name, $part := dict
      "DATABASE_HOST" (dict "value" $database.host "key" $database.secretKeys.host)
      "DATABASE_NAME" (dict "value" $database.name "key" $database.secretKeys.name)
      "DATABASE_PASSWORD" (dict "value" "" "key" $database.secretKeys.password)
      "DATABASE_PORT" (dict "value" $database.port "key" $database.secretKeys.port)
      "DATABASE_USER" (dict "value" "" "key" $database.secretKeys.user) }}
- name: {{ $name }}
  {{- if $part.value }}
  value: {{ $part.value | toString | quote }}
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ $part.key }}
  {{- end }}
{{- end }}
{{- end }}
{{- if eq $database.engine "postgresql" }}
- name: DATABASE_POOL
  value: {{ $database.pool | quote }}
{{- end }}
{{- if or (and .Values.serviceMonitor.enabled .Values.serviceMonitor.tokenSecret.name) (and .Values.canary.enabled .Values.canary.metrics) }}
{{ include "delivery.metricsToken" . }}
{{- end }}
{{- if and (eq $database.engine "postgresql") $database.sslmode (not (include "delivery.bundledDatabase" .)) }}
- name: DATABASE_SSLMODE
  value: {{ $database.sslmode | quote }}
{{- end }}
{{- end -}}

{{/* What a reader of `/metrics` sends, as environment: of a Secret of others, or made for the canary's judge. */}}
{{- define "delivery.metricsToken" -}}
{{- $token := .Values.serviceMonitor.tokenSecret -}}
- name: METRICS_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ $token.name | default (include "delivery.generatedSecret" .) }}
      key: {{ ternary $token.key "METRICS_TOKEN" (not (empty $token.name)) }}
{{- end -}}

{{/* What the values may not ask for; each message says why and what to set. */}}
{{- define "delivery.validate" -}}
{{- $database := .Values.database -}}
{{- $replicas := include "delivery.maxReplicas" . | int -}}
{{- if and (eq $database.engine "sqlite") (gt $replicas 1) -}}
{{- fail (printf "%d replicas on SQLite: each pod would keep a database of its own and lose the others' data. Set database.engine=postgresql, or replicaCount=1 without autoscaling." $replicas) -}}
{{- end -}}
{{- if eq $database.engine "postgresql" -}}
{{- if and $database.bundled.enabled $database.existingSecret -}}
{{- fail "database.existingSecret names an external PostgreSQL while database.bundled.enabled asks for one in the cluster. Choose one: set database.bundled.enabled=false, or leave database.existingSecret empty." -}}
{{- end -}}
{{- if not (or $database.bundled.enabled $database.existingSecret) -}}
{{- fail "PostgreSQL has no connection: set database.existingSecret to the Secret that holds it, or database.bundled.enabled=true." -}}
{{- end -}}
{{- /* Two workers a pod, twice the pods in a rollout; PostgreSQL keeps three connections for administrators. */ -}}
{{- $connections := mul 2 $replicas 2 (int $database.pool) | int -}}
{{- if gt (add $connections 3) (int $database.maxConnections) -}}
{{- fail (printf "%d replicas need %d database connections in a rollout, of database.maxConnections=%d. Use a larger database, fewer replicas, or a smaller database.pool." $replicas $connections (int $database.maxConnections)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
{{- if .enabled -}}
{{- $min := .minAvailable -}}
{{- $max := .maxUnavailable -}}
{{- if and (not (kindIs "invalid" $min)) (not (kindIs "invalid" $max)) -}}
{{- fail "podDisruptionBudget: the API takes minAvailable or maxUnavailable, not both. Set one of them to null." -}}
{{- end -}}
{{- $least := int $.Values.replicaCount -}}
{{- $blocksMin := and (not (kindIs "invalid" $min)) (not (kindIs "string" $min)) (ge (int $min) $least) -}}
{{- $blocksMax := and (not (kindIs "invalid" $max)) (has (toString $max) (list "0" "0%")) -}}
{{- if hasSuffix "%" (toString $min) -}}
{{- $share := trimSuffix "%" (toString $min) | float64 -}}
{{- $blocksMin = ge (ceil (divf (mulf $share $least) 100) | int) $least -}}
{{- end -}}
{{- if or $blocksMin $blocksMax -}}
{{- fail (printf "podDisruptionBudget allows no pod of %d to be missing: no node could ever be drained. Lower minAvailable or raise maxUnavailable." $least) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int $.Values.replicaCount) (int .maxReplicas) -}}
{{- fail (printf "replicaCount (%d), the fewest pods, is above autoscaling.maxReplicas (%d)." (int $.Values.replicaCount) (int .maxReplicas)) -}}
{{- end -}}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage) -}}
{{- fail "autoscaling has nothing to scale by: set targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.shutdown -}}
{{- if le (int .gracePeriodSeconds) (add (int .drainSeconds) (int .gracefulSeconds)) -}}
{{- fail (printf "shutdown.gracePeriodSeconds (%d) must exceed drainSeconds + gracefulSeconds (%d): a pod would be killed while it still serves." (int .gracePeriodSeconds) (int (add (int .drainSeconds) (int .gracefulSeconds)))) -}}
{{- end -}}
{{- end -}}
{{- with .Values.rollout -}}
{{- if and (has (toString .maxSurge) (list "0" "0%")) (has (toString .maxUnavailable) (list "0" "0%")) -}}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both 0: no pod could ever be replaced." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.seed.enabled (ne .Values.name "preview") -}}
{{- fail (printf "seed.enabled fills the database with made-up data, which is for previews alone, not for %s. Remove it." (.Values.name | default "a release without a name")) -}}
{{- end -}}
{{- if and .Values.canary.enabled (eq $database.engine "sqlite") -}}
{{- fail "canary.enabled on SQLite: the new version would have the file open beside the old one. Set database.engine=postgresql, or canary.enabled=false." -}}
{{- end -}}
{{- if and .Values.canary.enabled (has (toString .Values.rollout.maxSurge) (list "0" "0%")) -}}
{{- fail "canary.enabled with rollout.maxSurge 0: old pods would go before new ones are judged, and of a few pods none would be new. Set rollout.maxSurge to 1 or more." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateways that the route attaches to." -}}
{{- end -}}
{{- end -}}
