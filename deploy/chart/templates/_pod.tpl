{{/*
Parts of a pod: variables of the environment, and what the sidecar is told.
*/}}

{{/* For how long a sidecar that was told to end goes on publishing while Docket finishes. */}}
{{- define "docket.block.seconds" -}}30{{- end }}
{{/* How long it may take after that; longer than the 30 s for which it waits for deliveries that are under way. */}}
{{- define "docket.graceful.seconds" -}}40{{- end }}
{{/* How long Docket still listens when its pod was told to end. With drain_seconds (20) less than the sidecar goes on publishing. */}}
{{- define "docket.pre-stop.seconds" -}}5{{- end }}

{{/* Whether the authority of the brokers is mounted from their Secret. */}}
{{- define "docket.kafka.mounted" -}}
{{- if and .Values.kafka.tls (not .Values.kafka.caFile) (include "docket.lag" .) }}mounted{{ end }}
{{- end }}

{{/* A variable from a Secret. Takes `name`, `secret` and `key`. */}}
{{- define "docket.env.secret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}

{{/* How Kafka itself is reached. */}}
{{- define "docket.env.kafka" -}}
{{- $secret := .Values.kafka.existingSecret -}}
- name: DOCKET_KAFKA__MECHANISM
  value: {{ .Values.kafka.mechanism }}
{{ include "docket.env.secret" (dict "name" "DOCKET_KAFKA__BROKERS" "secret" $secret "key" "brokers") }}
{{ include "docket.env.secret" (dict "name" "DOCKET_KAFKA__USER" "secret" $secret "key" "saslUsername") }}
{{ include "docket.env.secret" (dict "name" "DOCKET_KAFKA__PASSWORD" "secret" $secret "key" "saslPassword") }}
{{- end }}

{{- define "docket.env" -}}
{{- $root := .root }}
- name: DOCKET_CONFIG
  value: /etc/docket/config/docket.toml
- name: DOCKET_DATABASE__MAX_CONNECTIONS
  value: {{ int .instance.settings.databaseConnections | quote }}
{{ with $root.Values.database }}
{{- include "docket.env.secret" (dict "name" "DOCKET_DATABASE__URL" "secret" .existingSecret "key" .urlKey) }}
{{- end }}
{{- if not $root.Values.auth.jwks.enabled }}
{{ include "docket.env.secret" (dict "name" "DOCKET_AUTH__SECRET" "secret" (include "docket.secret.auth" $root) "key" "secret") }}
{{- end }}
{{- if $root.Values.dapr.enabled }}
{{ include "docket.env.secret" (dict "name" "DOCKET_DAPR__APP_API_TOKEN" "secret" (include "docket.secret.app-token" $root) "key" "token") }}
{{ include "docket.env.secret" (dict "name" "DOCKET_DAPR__API_TOKEN" "secret" (include "docket.secret.api-token" $root) "key" "token") }}
{{- end }}
{{- if include "docket.lag" $root }}
{{ include "docket.env.kafka" $root }}
{{- end }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
# What spans and figures say about where they come from.
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ $root.Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- end }}

{{/* What the injector reads; the names are those of Dapr 1.18. Reasons for the numbers are in components/kafka/README.md. */}}
{{- define "docket.dapr.annotations" -}}
{{- $dapr := .root.Values.dapr }}
{{- $sidecar := .instance.settings.sidecar -}}
dapr.io/enabled: "true"
dapr.io/app-id: {{ .instance.name }}
dapr.io/app-port: "7601"
dapr.io/app-protocol: grpc
dapr.io/config: docket
dapr.io/app-token-secret: {{ include "docket.secret.app-token" .root }}
dapr.io/api-token-secret: {{ include "docket.secret.api-token" .root }}
# The sidecar stops its subscriptions while Docket is away.
dapr.io/enable-app-health-check: "true"
dapr.io/app-health-probe-interval: "1"
dapr.io/app-health-probe-timeout: "1000"
dapr.io/app-health-threshold: "5"
# A dead letter of 4 MiB, and what is around it.
dapr.io/max-body-size: 16Mi
dapr.io/block-shutdown-duration: {{ include "docket.block.seconds" .root }}s
dapr.io/graceful-shutdown-seconds: {{ include "docket.graceful.seconds" .root | quote }}
# Components get their secrets from the operator. The sidecar itself reads none, and has no token of the cluster to read with.
dapr.io/disable-builtin-k8s-secret-store: "true"
{{- if not (has "reminders" .instance.targets) }}
# Alarms are set by the sidecars of reminders alone, so no other one has to wait for the scheduler at its start.
dapr.io/scheduler-host-address: ""
{{- end }}
dapr.io/log-as-json: "true"
dapr.io/log-level: {{ $dapr.logLevel }}
dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
{{- with $sidecar.requests }}
{{- with .cpu }}
dapr.io/sidecar-cpu-request: {{ . | quote }}
{{- end }}
{{- with .memory }}
dapr.io/sidecar-memory-request: {{ . | quote }}
{{- end }}
{{- end }}
{{- with $sidecar.limits }}
{{- with .cpu }}
dapr.io/sidecar-cpu-limit: {{ . | quote }}
{{- end }}
{{- with .memory }}
dapr.io/sidecar-memory-limit: {{ . | quote }}
{{- end }}
{{- end }}
{{- with $sidecar.goMemoryLimit }}
dapr.io/env: GOMEMLIMIT={{ . }}
{{- end }}
{{- with $dapr.sidecarImage }}
dapr.io/sidecar-image: {{ . }}
{{- end }}
{{- if $dapr.nativeSidecar }}
dapr.io/enable-native-sidecar: "true"
{{- end }}
{{- with $dapr.annotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A rule for what leaves. Takes `to` and `ports`. */}}
{{- define "docket.egress" -}}
- ports:
    {{- range .ports }}
    - port: {{ int . }}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
