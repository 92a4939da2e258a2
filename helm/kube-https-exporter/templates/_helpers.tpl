{{/* Names, labels, and the access rules read from files/access.yaml. */}}

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
{{- $name := ternary (printf "%s/%s" $image.registry $image.repository) $image.repository (ne $image.registry "") -}}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/*
What the sources that are on read, as a list of {name, namespace, rules}: one Role each, a ClusterRole where the
namespace is empty. Namespaced mode has one Role in each of the configured namespaces instead of the ClusterRole, and does without
what is in no namespace.
*/}}
{{- define "khe.access" -}}
{{- $access := required "files/access.yaml is missing from the chart" (.Files.Get "files/access.yaml") | fromYamlArray }}
{{- $everywhere := list }}
{{- $roles := list }}
{{- range $access }}
  {{- if dig "discovery" .source "enabled" (not .optIn) $.Values.config }}
    {{- $rule := dict "apiGroups" (list .group) "resources" (list .resource) "verbs" .verbs }}
    {{- with .names }}{{ $_ := set $rule "resourceNames" . }}{{ end }}
    {{- if .namespace }}
      {{- $name := printf "%s-%s" (include "khe.fullname" $) (replace "_" "-" .source) }}
      {{- $roles = append $roles (dict "name" $name "namespace" .namespace "rules" (list $rule)) }}
    {{- else if not (and .clusterScoped $.Values.config.namespaces) }}
      {{- $everywhere = append $everywhere $rule }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if $everywhere }}
  {{- range .Values.config.namespaces | default (list "") }}
    {{- $roles = append $roles (dict "name" (include "khe.fullname" $) "namespace" . "rules" ($everywhere | uniq)) }}
  {{- end }}
{{- end }}
{{- toYaml $roles }}
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
