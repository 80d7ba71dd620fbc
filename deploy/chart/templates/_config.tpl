{{/*
docket.toml: what the chart knows, and `config` on top of it.
*/}}

{{/* All of it, as JSON. */}}
{{- define "docket.config" -}}
{{- $tasks := include "docket.app" (dict "root" . "target" "tasks") }}
{{- $reminders := include "docket.app" (dict "root" . "target" "reminders") }}
{{- $listen := dict "public" "0.0.0.0:7600" "app" "127.0.0.1:7601" }}
{{- $_ := set $listen "admin" (ternary "0.0.0.0:7602" "127.0.0.1:7602" (eq (include "docket.admin" .) "open")) }}
{{- if .Values.tls.existingSecret }}
{{- $tls := dict "certificate" "/etc/docket/tls/tls.crt" "key" "/etc/docket/tls/tls.key" }}
{{- if .Values.tls.requireClientCertificate }}
{{- $_ := set $tls "client_ca" "/etc/docket/tls/ca.crt" }}
{{- end }}
{{- $_ := set $listen "tls" $tls }}
{{- end }}
{{- $config := dict
  "data_dir" "/var/lib/docket"
  "listen" $listen
  "dapr" (dict "enabled" .Values.dapr.enabled "pubsub" "pubsub")
  "deadletters" (dict "pubsub" "pubsub-dead-letters")
  "reminders" (dict "pubsub" "pubsub-reminders")
  "recurrence" (dict "tasks_app_id" $tasks "binding" "recurring-scheduler")
  "notification" (include "docket.config.notification" . | fromJson)
  "auth" (include "docket.config.auth" . | fromJson)
}}
{{- with include "docket.kafka.ca" . }}
{{- $_ := set $config "kafka" (dict "ca_file" .) }}
{{- end }}
{{- $_ := set $config.notification "tasks_app_id" $tasks }}
{{- $_ := set $config.notification "reminders_app_id" $reminders }}
{{- $config = mergeOverwrite $config (deepCopy .Values.config) }}
{{- if not .Values.dapr.enabled }}
{{- /* There is no sidecar to send by. */}}
{{- if eq (dig "telemetry" "export" "none" $config) "sidecar" }}
{{- $_ := set $config.telemetry "export" "none" }}
{{- end }}
{{- end }}
{{- toJson $config }}
{{- end }}

{{- define "docket.config.notification" -}}
{{- $email := .Values.channels.email }}
{{- $notification := dict "email" (dict "kind" $email.kind) "push" dict "webhook" dict }}
{{- if ne $email.kind "log" }}
{{- $_ := set $notification "email" (dict "kind" $email.kind "binding" $email.kind "from" $email.from) }}
{{- end }}
{{- with .Values.channels.push.kind }}
{{- $_ := set $notification "push" (dict "kind" .) }}
{{- end }}
{{- with .Values.channels.webhooks }}
{{- $_ := set $notification "webhook" (dict "kind" "http" "origins" .) }}
{{- end }}
{{- toJson $notification }}
{{- end }}

{{- define "docket.config.auth" -}}
{{- $auth := dict }}
{{- with .Values.auth.jwks }}
{{- if .enabled }}
{{- $_ := set $auth "issuer" .issuer }}
{{- $_ := set $auth "audience" .audience }}
{{- $_ := set $auth "jwks" .url }}
{{- with .requiredScope }}{{ $_ := set $auth "required_scope" . }}{{ end }}
{{- $_ := set $auth "jwks_ca" "/var/run/secrets/docket/ca.crt" }}
{{- if $.Values.dapr.enabled }}
{{- $callers := include "docket.apps" (dict "root" $ "targets" (list "recurrence" "notification")) | fromJsonArray }}
{{- $services := list }}
{{- range $callers }}
{{- $services = append $services (printf "system:serviceaccount:%s:%s" $.Release.Namespace .) }}
{{- end }}
{{- $_ := set $auth "services" $services }}
{{- $_ := set $auth "service_token" "/var/run/secrets/docket/token" }}
{{- $_ := set $auth "service_issuer" .serviceTokens.issuer }}
{{- $_ := set $auth "service_jwks" .serviceTokens.jwks }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $auth }}
{{- end }}

{{/* A table as TOML, a line for each value, with the whole key. Takes `table` and `prefix`. */}}
{{- define "docket.toml" -}}
{{- range $key, $value := .table }}
{{- $name := ternary $key (toRawJson $key) (regexMatch "^[A-Za-z0-9_-]+$" $key) }}
{{- $path := printf "%s%s" $.prefix $name }}
{{- if kindIs "map" $value }}
{{- include "docket.toml" (dict "table" $value "prefix" (printf "%s." $path)) }}
{{- else if not (kindIs "invalid" $value) }}
{{ $path }} = {{ include "docket.toml.value" $value }}
{{- end }}
{{- end }}
{{- end }}

{{- define "docket.toml.value" -}}
{{- if kindIs "string" . }}{{ toRawJson . }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else if kindIs "slice" . }}[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "docket.toml.value" $item }}{{ end }}]
{{- else if kindIs "map" . }}{ {{- $first := true }}{{ range $key, $item := . }}{{ if not $first }},{{ end }}{{ $first = false }} {{ toRawJson $key }} = {{ include "docket.toml.value" $item }}{{ end }} }
{{- else if eq (float64 .) (floor .) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}
