{{/*
Names, labels and lists that several templates share.
*/}}

{{/* The targets, in the order in which people read of them. */}}
{{- define "docket.targets" -}}
["tasks","recurrence","audit","reminders","notification","deadletters"]
{{- end }}

{{/* The services of the API, and whose they are. Recurrence has none. */}}
{{- define "docket.services" -}}
{"tasks":"docket.v1.TaskService","audit":"docket.v1.AuditService","reminders":"docket.v1.ReminderService","notification":"docket.v1.NotificationService","deadletters":"docket.v1.DeadLetterService"}
{{- end }}

{{/* The targets that run, as a list in JSON. */}}
{{- define "docket.enabled" -}}
{{- $enabled := list }}
{{- range include "docket.targets" . | fromJsonArray }}
{{- if or (eq $.Values.mode "single") (index $.Values.targets .).enabled }}
{{- $enabled = append $enabled . }}
{{- end }}
{{- end }}
{{- toJson $enabled }}
{{- end }}

{{/*
What is deployed, as a list in JSON: `name` is the Deployment, the ServiceAccount and the Dapr app id, `targets` what it
runs, `settings` the values that are its own.
*/}}
{{- define "docket.instances" -}}
{{- $instances := list }}
{{- if eq .Values.mode "single" }}
{{- $settings := mergeOverwrite (deepCopy .Values.defaults) (deepCopy .Values.single) }}
{{- $targets := include "docket.targets" . | fromJsonArray }}
{{- $instances = append $instances (dict "name" "docket" "component" "all" "key" "single" "targets" $targets "settings" $settings) }}
{{- else }}
{{- range include "docket.enabled" . | fromJsonArray }}
{{- $settings := mergeOverwrite (deepCopy $.Values.defaults) (deepCopy (index $.Values.targets .)) }}
{{- $instances = append $instances (dict "name" (printf "docket-%s" .) "component" . "key" (printf "targets.%s" .) "targets" (list .) "settings" $settings) }}
{{- end }}
{{- end }}
{{- toJson $instances }}
{{- end }}

{{/* The app id of a target. Takes the root and `target`. */}}
{{- define "docket.app" -}}
{{- if eq .root.Values.mode "single" }}docket{{ else }}docket-{{ .target }}{{ end }}
{{- end }}

{{/* The app ids of those of `targets` that run, each once, as a list in JSON. Takes the root and `targets`. */}}
{{- define "docket.apps" -}}
{{- $apps := list }}
{{- $enabled := include "docket.enabled" .root | fromJsonArray }}
{{- range .targets }}
{{- if has . $enabled }}
{{- $apps = append $apps (include "docket.app" (dict "root" $.root "target" .)) }}
{{- end }}
{{- end }}
{{- toJson (uniq $apps) }}
{{- end }}

{{- define "docket.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/part-of: docket
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "docket.selector" . }}
{{- end }}

{{/* What all pods of this release have. */}}
{{- define "docket.selector" -}}
app.kubernetes.io/name: docket
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "docket.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The Secrets that the chart makes unless others are named. */}}
{{- define "docket.secret.auth" -}}
{{- .Values.auth.existingSecret | default "docket-auth" }}
{{- end }}
{{- define "docket.secret.app-token" -}}
{{- .Values.dapr.appTokenSecret | default "docket-app-token" }}
{{- end }}
{{- define "docket.secret.api-token" -}}
{{- .Values.dapr.apiTokenSecret | default "docket-api-token" }}
{{- end }}
{{- define "docket.secret.email" -}}
{{- .Values.channels.email.existingSecret | default (printf "docket-%s" .Values.channels.email.kind) }}
{{- end }}

{{/* Whether the admin port is open to the pod's address: for figures, and for the probes of a public port with TLS. */}}
{{- define "docket.admin" -}}
{{- if or .Values.metrics.scrape .Values.tls.existingSecret }}open{{ end }}
{{- end }}

{{/* Whether topics are made. Without Dapr nobody uses them, and the way out must not need the brokers. */}}
{{- define "docket.topics.made" -}}
{{- if and .Values.kafka.createTopics .Values.dapr.enabled }}made{{ end }}
{{- end }}

{{/* Whether Docket asks Kafka itself while it serves. */}}
{{- define "docket.lag" -}}
{{- if and .Values.kafka.lag .Values.dapr.enabled }}lag{{ end }}
{{- end }}

{{/* Where the authority of the brokers' certificates is, if they have any. */}}
{{- define "docket.kafka.ca" -}}
{{- if .Values.kafka.tls }}{{ .Values.kafka.caFile | default "/etc/docket/kafka/ca.crt" }}{{ end }}
{{- end }}

{{/* What the containers of the chart may do: nothing. */}}
{{- define "docket.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "docket.pod.security" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{ toYaml .Values.podSecurityContext }}
{{- end }}
