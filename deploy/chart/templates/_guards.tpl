{{/*
What would come out as pods that do not start, or worse, start: each is refused here, with the name of the key.
values.schema.json looks at each value by itself; here is what concerns several, and what the cluster has to say.
*/}}

{{- define "docket.guards" -}}
{{- include "docket.guards.image" . }}
{{- include "docket.guards.scaling" . }}
{{- include "docket.guards.connections" . }}
{{- include "docket.guards.config" . }}
{{- include "docket.guards.options" . }}
{{- include "docket.guards.cluster" . }}
{{- end }}

{{- define "docket.guards.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- if and (eq $tag "latest") (not .Values.image.digest) }}
{{- fail "image.tag: `latest` says nothing about what runs, and cannot be rolled back; name a version" }}
{{- end }}
{{- if regexMatch "(:[^/]*|@.*)$" .Values.image.repository }}
{{- fail (printf "image.repository: %s has a tag or a digest in it; they go into image.tag and image.digest" .Values.image.repository) }}
{{- end }}
{{- with .Values.dapr.sidecarImage }}
{{- if or (hasSuffix ":latest" .) (not (regexMatch "[:@][^/]+$" .)) }}
{{- fail (printf "dapr.sidecarImage: %s is not pinned to a version" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "docket.guards.scaling" -}}
{{- if and (eq .Values.mode "split") (not .Values.targets.tasks.enabled) }}
{{- fail "targets.tasks.enabled: the other targets have nothing to do without the tasks" }}
{{- end }}
{{- range include "docket.instances" . | fromJsonArray }}
{{- $scaling := .settings.autoscaling }}
{{- if $scaling.enabled }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas: %d is more than maxReplicas, %d" .key (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- end }}
{{- if not (dig "requests" "cpu" "" .settings.resources) }}
{{- fail (printf "%s.resources.requests.cpu: autoscaling is by the part of it that is used" .key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.keda.enabled (not .Values.keda.brokers) }}
{{- fail "keda.brokers: KEDA asks Kafka itself, and has to be told where it is" }}
{{- end }}
{{- if and .Values.keda.enabled .Values.kafka.tls .Values.kafka.caFile }}
{{- fail "kafka.caFile: KEDA takes the authority of the brokers from caCert of the Secret kafka.existingSecret, not from a file" }}
{{- end }}
{{- end }}

{{/* How many connections all pods open together at worst. */}}
{{- define "docket.connections" -}}
{{- $sum := 0 }}
{{- range include "docket.instances" . | fromJsonArray }}
{{- $scaling := .settings.autoscaling }}
{{- $pods := add 1 (ternary $scaling.maxReplicas .settings.replicas $scaling.enabled | int) }}
{{- $each := int .settings.databaseConnections }}
{{- /* One besides for the relay of each target; five more at most for that of the tasks. */}}
{{- $pod := mul (len .targets) (add $each 1) }}
{{- if has "tasks" .targets }}{{ $pod = add $pod (min $each 5) }}{{ end }}
{{- $sum = add $sum (mul $pods $pod) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- define "docket.guards.connections" -}}
{{- $budget := int .Values.database.connectionBudget }}
{{- $sum := include "docket.connections" . | int }}
{{- if and $budget (gt $sum $budget) }}
{{- fail (printf "database.connectionBudget: all pods, and one more of each during a roll-out, may open %d connections to the database, and the budget is %d; lower databaseConnections or replicas, or raise max_connections of PostgreSQL and then the budget" $sum $budget) }}
{{- end }}
{{- end }}

{{/* Keys of Docket that are not for `config`, each with where it is chosen. */}}
{{- define "docket.reserved" -}}
targets: mode and targets
data_dir: nothing; it is a folder of the pod
listen: tls and metrics.scrape
database.url: the Secret database.existingSecret
database.max_connections: defaults.databaseConnections
auth.secret: the Secret auth.existingSecret
auth.secret_file: the Secret auth.existingSecret
auth.issuer: auth.jwks
auth.audience: auth.jwks
auth.jwks: auth.jwks
auth.jwks_ca: auth.jwks
auth.required_scope: auth.jwks
auth.services: auth.jwks
auth.service_token: auth.jwks
auth.service_issuer: auth.jwks
auth.service_jwks: auth.jwks
dapr.enabled: dapr.enabled
dapr.endpoint: nothing; it is the sidecar of the pod
dapr.api_token: the Secret dapr.apiTokenSecret
dapr.app_api_token: the Secret dapr.appTokenSecret
dapr.insecure: nothing; the sidecar proves itself
dapr.pubsub: nothing; it is the name of a component of the chart
deadletters.pubsub: nothing; it is the name of a component of the chart
reminders.pubsub: nothing; it is the name of a component of the chart
recurrence.tasks_app_id: mode
recurrence.binding: nothing; it is the name of a component of the chart
notification.tasks_app_id: mode
notification.reminders_app_id: mode
notification.email: channels.email
notification.push: channels.push
notification.webhook.kind: channels.webhooks
notification.webhook.origins: channels.webhooks
kafka.brokers: the Secret kafka.existingSecret
kafka.user: the Secret kafka.existingSecret
kafka.password: the Secret kafka.existingSecret
kafka.mechanism: kafka.mechanism
kafka.ca_file: kafka.tls and kafka.caFile
{{- end }}

{{- define "docket.guards.config" -}}
{{- $config := .Values.config }}
{{- range $key, $where := include "docket.reserved" . | fromYaml }}
{{- $found := true }}
{{- $at := $config }}
{{- range splitList "." $key }}
{{- if and $found (kindIs "map" $at) (hasKey $at .) }}
{{- $at = get $at . }}
{{- else }}
{{- $found = false }}
{{- end }}
{{- end }}
{{- if $found }}
{{- fail (printf "config.%s: is not chosen here, but by %s" $key $where) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.mode "split") (eq (dig "outbox" "confirm" "receipts" $config) "receipts") }}
{{- fail "config.outbox.confirm: `receipts` needs all targets in one process; it must be `broker` in mode split" }}
{{- end }}
{{- $drain := dig "drain_seconds" 20 $config | int }}
{{- $most := sub (include "docket.block.seconds" . | int) (include "docket.pre-stop.seconds" . | int) }}
{{- if gt $drain (int $most) }}
{{- fail (printf "config.drain_seconds: the sidecar publishes for no more than %d s after a pod was told to end, %d of which are over before Docket is; at most %d, not %d" (include "docket.block.seconds" . | int) (include "docket.pre-stop.seconds" . | int) (int $most) $drain) }}
{{- end }}
{{- end }}

{{- define "docket.guards.options" -}}
{{- if and (ne .Values.channels.email.kind "log") (not .Values.channels.email.from) }}
{{- fail (printf "channels.email.from: whom mail comes from; required with kind %s" .Values.channels.email.kind) }}
{{- end }}
{{- if and (eq .Values.channels.push.kind "fcm") (not .Values.channels.push.url) }}
{{- fail "channels.push.url: the address that is posted to; required with kind fcm" }}
{{- end }}
{{- range $key := list "issuer" "audience" "url" }}
{{- if and $.Values.auth.jwks.enabled (not (get $.Values.auth.jwks $key)) }}
{{- fail (printf "auth.jwks.%s: is required with auth.jwks.enabled" $key) }}
{{- end }}
{{- end }}
{{- if and .Values.auth.jwks.enabled .Values.dapr.enabled (eq .Values.auth.jwks.issuer .Values.auth.jwks.serviceTokens.issuer) }}
{{- fail "auth.jwks.serviceTokens.issuer: must be another one than auth.jwks.issuer, so that no user's token is taken for a service's" }}
{{- end }}
{{- /* Twice the same annotation would be the last one, silently. */}}
{{- $own := list "enabled" "app-id" "app-port" "app-protocol" "config" "app-token-secret" "api-token-secret" "enable-app-health-check" "app-health-probe-interval" "app-health-probe-timeout" "app-health-threshold" "max-body-size" "block-shutdown-duration" "graceful-shutdown-seconds" "disable-builtin-k8s-secret-store" "scheduler-host-address" "log-as-json" "log-level" "sidecar-seccomp-profile-type" "sidecar-cpu-request" "sidecar-memory-request" "sidecar-cpu-limit" "sidecar-memory-limit" "env" "sidecar-image" "enable-native-sidecar" }}
{{- range $annotation, $_ := .Values.dapr.annotations }}
{{- if has (trimPrefix "dapr.io/" $annotation) $own }}
{{- fail (printf "dapr.annotations: %s is the chart's own" $annotation) }}
{{- end }}
{{- end }}
{{- $secrets := list "DOCKET_AUTH__SECRET" "DOCKET_DATABASE__URL" "DOCKET_DAPR__API_TOKEN" "DOCKET_DAPR__APP_API_TOKEN" "DOCKET_KAFKA__PASSWORD" "APP_API_TOKEN" "DAPR_API_TOKEN" "PGPASSWORD" }}
{{- range $instance := include "docket.instances" . | fromJsonArray }}
{{- range $instance.settings.env }}
{{- if and .value (has .name $secrets) }}
{{- fail (printf "%s.env: %s is a secret; take it from one, by valueFrom" $instance.key .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.auth.jwks.serviceTokens }}
{{- if and $.Values.auth.jwks.enabled $.Values.dapr.enabled (not .publishKeys) (hasPrefix "https://kubernetes.default" .jwks) }}
{{- fail "auth.jwks.serviceTokens.publishKeys: must be true for serviceTokens.jwks to be read at the API server, which shows its keys to nobody who does not log in; or name another address of the keys" }}
{{- end }}
{{- end }}
{{- if and .Values.auth.jwks.enabled .Values.auth.existingSecret }}
{{- fail "auth.existingSecret: there is no secret with auth.jwks.enabled; who knew it could be anybody" }}
{{- end }}
{{- if and .Values.tls.requireClientCertificate (not .Values.tls.existingSecret) }}
{{- fail "tls.existingSecret: required with tls.requireClientCertificate" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "gateway.parentRefs: names the Gateway that the route belongs to; required with gateway.enabled" }}
{{- end }}
{{- if and .Values.metrics.podMonitor.enabled (not (include "docket.admin" .)) }}
{{- fail "metrics.scrape: required with metrics.podMonitor.enabled; the admin port is closed to others without it" }}
{{- end }}
{{- range $target, $port := .Values.service.nodePorts }}
{{- if ne (eq $target "docket") (eq $.Values.mode "single") }}
{{- fail (printf "service.nodePorts.%s: there is no such Service in mode %s" $target $.Values.mode) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What only a cluster knows; nothing is said where none answers, as with `helm template`. Secrets of the namespace are what Helm
itself must be allowed to read.
*/}}
{{- define "docket.guards.cluster" -}}
{{- if lookup "v1" "Secret" .Release.Namespace "" }}
{{- $kinds := list
  (dict "key" "dapr.enabled" "wanted" .Values.dapr.enabled "kind" "dapr.io/v1alpha1/Component" "what" "Dapr")
  (dict "key" "keda.enabled" "wanted" .Values.keda.enabled "kind" "keda.sh/v1alpha1/ScaledObject" "what" "KEDA")
  (dict "key" "gateway.enabled" "wanted" .Values.gateway.enabled "kind" "gateway.networking.k8s.io/v1/GRPCRoute" "what" "the Gateway API")
  (dict "key" "metrics.podMonitor.enabled" "wanted" .Values.metrics.podMonitor.enabled "kind" "monitoring.coreos.com/v1/PodMonitor" "what" "the Prometheus Operator")
  (dict "key" "metrics.prometheusRule.enabled" "wanted" .Values.metrics.prometheusRule.enabled "kind" "monitoring.coreos.com/v1/PrometheusRule" "what" "the Prometheus Operator")
}}
{{- range $kinds }}
{{- if and .wanted (not ($.Capabilities.APIVersions.Has .kind)) }}
{{- fail (printf "%s: this cluster does not know %s; install %s first, or set it to false" .key .kind .what) }}
{{- end }}
{{- end }}
{{- range include "docket.wanted" . | fromJsonArray }}
{{- $there := lookup "v1" "Secret" $.Release.Namespace .secret }}
{{- if not $there }}
{{- fail (printf "%s: there is no Secret %s in namespace %s (keys: %s)" .key .secret $.Release.Namespace (join ", " .keys)) }}
{{- end }}
{{- $secret := . }}
{{- range .keys }}
{{- if not (hasKey (default dict $there.data) .) }}
{{- fail (printf "%s: the Secret %s lacks the key %s" $secret.key $secret.secret .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $kafka := lookup "v1" "Secret" .Release.Namespace .Values.kafka.existingSecret }}
{{- if and $kafka .Values.dapr.enabled }}
{{- $plain := dig "data" "disableTls" "" $kafka | b64dec }}
{{- if ne .Values.kafka.tls (ne $plain "true") }}
{{- fail (printf "kafka.tls: is %t, but the key disableTls of the Secret %s says %q" .Values.kafka.tls .Values.kafka.existingSecret $plain) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secrets that must be there, as a list in JSON: `key` of the values, `secret`, and `keys` in it. */}}
{{- define "docket.wanted" -}}
{{- $values := .Values }}
{{- $database := list $values.database.urlKey }}
{{- if $values.database.migrate.enabled }}{{ $database = append $database $values.database.ownerUrlKey }}{{ end }}
{{- $wanted := list (dict "key" "database.existingSecret" "secret" $values.database.existingSecret "keys" $database) }}
{{- with $values.database.caSecret }}
{{- $wanted = append $wanted (dict "key" "database.caSecret" "secret" . "keys" (list "ca.crt")) }}
{{- end }}
{{- if $values.dapr.enabled }}
{{- $wanted = append $wanted (dict "key" "kafka.existingSecret" "secret" $values.kafka.existingSecret "keys" (list "brokers" "disableTls" "caCert" "saslUsername" "saslPassword")) }}
{{- $email := dict "smtp" (list "host" "port" "user" "password") "sendgrid" (list "apiKey") }}
{{- with get $email $values.channels.email.kind }}
{{- $wanted = append $wanted (dict "key" "channels.email.existingSecret" "secret" (include "docket.secret.email" $) "keys" .) }}
{{- end }}
{{- if eq $values.channels.push.kind "fcm" }}
{{- $wanted = append $wanted (dict "key" "channels.push.existingSecret" "secret" $values.channels.push.existingSecret "keys" (list "authorization")) }}
{{- end }}
{{- with $values.dapr.appTokenSecret }}
{{- $wanted = append $wanted (dict "key" "dapr.appTokenSecret" "secret" . "keys" (list "token")) }}
{{- end }}
{{- with $values.dapr.apiTokenSecret }}
{{- $wanted = append $wanted (dict "key" "dapr.apiTokenSecret" "secret" . "keys" (list "token")) }}
{{- end }}
{{- end }}
{{- with $values.auth.existingSecret }}
{{- $wanted = append $wanted (dict "key" "auth.existingSecret" "secret" . "keys" (list "secret")) }}
{{- end }}
{{- with $values.tls.existingSecret }}
{{- $keys := list "tls.crt" "tls.key" }}
{{- if $values.tls.requireClientCertificate }}{{ $keys = append $keys "ca.crt" }}{{ end }}
{{- $wanted = append $wanted (dict "key" "tls.existingSecret" "secret" . "keys" $keys) }}
{{- end }}
{{- toJson $wanted }}
{{- end }}
