{{/* The pod: what every replica is made of. */}}

{{- define "khe.pod" -}}
metadata:
  labels:
    {{- include "khe.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    # A sidecar accepts every connection itself: all doors would look open.
    sidecar.istio.io/inject: "false"
  annotations:
    # The program reads its configuration at the start.
    checksum/config: {{ include "khe.config" . | sha256sum }}
    sidecar.istio.io/inject: "false"
    linkerd.io/inject: disabled
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "khe.serviceAccountName" . }}
  automountServiceAccountToken: {{ include "khe.token" . }}
  # Service links are variables that nothing here reads.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  {{- include "khe.placement" . | nindent 2 }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{- include "khe.container" . | nindent 6 }}
    {{- with .Values.containers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "khe.fullname" . }}
    {{- with .Values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Where the pod runs, and what it resolves names by. */}}
{{- define "khe.placement" -}}
{{- $settings := pick .Values "dnsConfig" "hostAliases" "priorityClassName" "runtimeClassName" "nodeSelector" "tolerations" "affinity" }}
{{- $_ := set $settings "dnsPolicy" (.Values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork)) }}
{{- $_ := set $settings "hostNetwork" .Values.hostNetwork }}
{{- $_ := set $settings "imagePullSecrets" (concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq) }}
{{- $spread := list }}
{{- range .Values.topologySpreadConstraints }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "khe.selectorLabels" $ | fromYaml)) }}
  {{- $spread = append $spread (merge (deepCopy .) (ternary dict $own (hasKey . "labelSelector"))) }}
{{- end }}
{{- $_ := set $settings "topologySpreadConstraints" $spread }}
{{- range $name, $value := $settings }}
{{- with $value }}
{{ dict $name . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* The exporter's own container. */}}
{{- define "khe.container" -}}
name: kube-https-exporter
image: {{ include "khe.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config.file=/etc/kube-https-exporter/config.yaml
  {{- if .Values.sharding.enabled }}
  - --shard.count={{ .Values.sharding.shards }}
  - --shard.ordinal=$(POD_NAME)
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $pod := dict "name" "POD_NAME" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name")) }}
{{- with concat (ternary (list $pod) list .Values.sharding.enabled) .Values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: 10043
    protocol: TCP
livenessProbe:
  {{- merge (dict "httpGet" (dict "path" "/-/healthy" "port" "http")) .Values.livenessProbe | toYaml | nindent 2 }}
readinessProbe:
  {{- merge (dict "httpGet" (dict "path" "/-/ready" "port" "http")) .Values.readinessProbe | toYaml | nindent 2 }}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/kube-https-exporter
    readOnly: true
  {{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
