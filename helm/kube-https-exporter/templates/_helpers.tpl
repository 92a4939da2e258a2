{{/* Names, labels, the configuration, and the access rules read from files/access.yaml. */}}

{{- define "khe.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "khe.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "khe.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "khe.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "khe.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "khe.selectorLabels" -}}
app.kubernetes.io/name: {{ include "khe.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "khe.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "khe.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: metrics
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.customLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "khe.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "khe.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "khe.image" -}}
{{- $image := .Values.image -}}
{{- $name := list (.Values.global.imageRegistry | default $image.registry) $image.repository | compact | join "/" -}}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The Secrets that may be read, as a list of {namespace, name}: those of the chart's value and of the configuration. */}}
{{- define "khe.secrets" -}}
{{- concat (.Values.config.secrets | default list) .Values.secrets | uniq | toYaml }}
{{- end }}

{{/* The configuration file. */}}
{{- define "khe.config" -}}
{{- $config := deepCopy .Values.config }}
{{- with include "khe.secrets" . | fromYamlArray }}{{ $_ := set $config "secrets" . }}{{ end }}
{{- toYaml $config }}
{{- end }}

{{/*
What the exporter reads, as a list of {name, namespace, rules}: one Role each, a ClusterRole where the namespace is empty.
Namespaced mode has one Role in each of the configured namespaces instead of the ClusterRole, and does without what is in no
namespace.
*/}}
{{- define "khe.access" -}}
{{- $access := required "files/access.yaml is missing from the chart" (.Files.Get "files/access.yaml") | fromYamlArray }}
{{- $fullname := include "khe.fullname" . }}
{{- $namespaces := .Values.config.namespaces | default (list "") }}
{{- $rules := list }}
{{- range $access }}
  {{- if dig "discovery" .source "enabled" (dig "enabled" true .) $.Values.config }}
    {{- $rule := dict "apiGroups" (list .group) "resources" (list .resource) "verbs" .verbs }}
    {{- with .names }}{{ $_ := set $rule "resourceNames" . }}{{ end }}
    {{- if .namespace }}
      {{- $rules = append $rules (list (printf "%s-%s" $fullname (replace "_" "-" .source)) .namespace $rule) }}
    {{- else if not (and .clusterScoped $.Values.config.namespaces) }}
      {{- range $namespaces }}{{ $rules = append $rules (list $fullname . $rule) }}{{ end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if dig "events" "enabled" false .Values.config }}
  {{- $rule := dict "apiGroups" (list "events.k8s.io") "resources" (list "events") "verbs" (list "create") }}
  {{- range $namespaces }}{{ $rules = append $rules (list $fullname . $rule) }}{{ end }}
{{- end }}
{{- range $rule := .Values.rbac.extraRules }}
  {{- range $namespaces }}{{ $rules = append $rules (list $fullname . $rule) }}{{ end }}
{{- end }}
{{- $secrets := dict }}
{{- range include "khe.secrets" . | fromYamlArray }}
  {{- $_ := set $secrets .namespace (append (get $secrets .namespace | default list) .name) }}
{{- end }}
{{- range $namespace, $names := $secrets }}
  {{- $rule := dict "apiGroups" (list "") "resources" (list "secrets") "resourceNames" $names "verbs" (list "get" "list" "watch") }}
  {{- $rules = append $rules (list (printf "%s-secrets" $fullname) $namespace $rule) }}
{{- end }}
{{- $roles := dict }}
{{- range $rules }}
  {{- $key := printf "%s/%s" (index . 1) (index . 0) }}
  {{- $role := get $roles $key | default (dict "name" (index . 0) "namespace" (index . 1) "rules" list) }}
  {{- $_ := set $role "rules" (append $role.rules (index . 2) | uniq) }}
  {{- $_ := set $roles $key $role }}
{{- end }}
{{- $sorted := list }}
{{- range $_, $role := $roles }}{{ $sorted = append $sorted $role }}{{ end }}
{{- toYaml $sorted }}
{{- end }}

{{/* Whether the pod has a token: as is said, or else if there is anything to be read with it. */}}
{{- define "khe.token" -}}
{{- if kindIs "bool" .Values.automountServiceAccountToken }}
{{- .Values.automountServiceAccountToken }}
{{- else }}
{{- include "khe.access" . | fromYamlArray | empty | not }}
{{- end }}
{{- end }}

{{/* The settings of a ServiceMonitor's or PodMonitor's endpoint. */}}
{{- define "khe.endpoint" -}}
port: http
# The rows' own `namespace` is that of the object behind them; renamed, every alert would go to the exporter's.
honorLabels: true
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
