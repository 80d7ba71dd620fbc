{{/*
Dapr's resources. What they say is in dapr/*.yaml, the very files of components/ (`cargo xtask check` holds them together);
what Kubernetes adds is here: where secrets come from, and which app may have what.
*/}}

{{/* The names of the topics. */}}
{{- define "docket.topics" -}}
{{- $config := include "docket.config" . | fromJson }}
{{- $events := dig "tasks" "topic" "task-events" $config }}
{{- $due := dig "reminders" "topic" "reminders" $config }}
{{- dict "events" $events "due" $due "eventsLetters" (printf "%s-dlq" $events) "dueLetters" (printf "%s-dlq" $due) | toJson }}
{{- end }}

{{/*
Who may do what with topics, in the form that Dapr reads: app=topic,topic;app=topic. Takes the root and `rights`, a table
from targets to topics. An app of several targets has what each of them has; one that is not named may do nothing, because
all topics are protected.
*/}}
{{- define "docket.rights" -}}
{{- $apps := dict }}
{{- $enabled := include "docket.enabled" .root | fromJsonArray }}
{{- range $target, $topics := .rights }}
{{- if has $target $enabled }}
{{- $app := include "docket.app" (dict "root" $.root "target" $target) }}
{{- $_ := set $apps $app (concat (get $apps $app | default list) $topics | uniq | sortAlpha) }}
{{- end }}
{{- end }}
{{- $rights := list }}
{{- range $app, $topics := $apps }}
{{- $rights = append $rights (printf "%s=%s" $app (join "," $topics)) }}
{{- end }}
{{- join ";" $rights }}
{{- end }}

{{/*
A component of dapr/*.yaml. Takes the root, `file`, `scopes` (targets), and where there are any `name`, `secret` (in place of
the file's), `values` (in place of the file's) and `more` (metadata besides).
*/}}
{{- define "docket.component" -}}
{{- $component := .root.Files.Get (printf "dapr/%s.yaml" .file) | fromYaml }}
{{- $items := list }}
{{- range $item := $component.spec.metadata }}
{{- if hasKey (default dict $.values) $item.name }}
{{- $_ := set $item "value" (get $.values $item.name) }}
{{- end }}
{{- if and $item.secretKeyRef $.secret }}
{{- $_ := set $item.secretKeyRef "name" $.secret }}
{{- end }}
{{- $items = append $items $item }}
{{- end }}
{{- range $name, $value := default dict .more }}
{{- $items = append $items (dict "name" $name "value" $value) }}
{{- end }}
{{- $_ := set $component.spec "metadata" $items }}
{{- if $component.auth }}
{{- $_ := set $component "auth" (dict "secretStore" "kubernetes") }}
{{- end }}
{{- $_ := set $component "scopes" (include "docket.apps" (dict "root" .root "targets" .scopes) | fromJsonArray) }}
{{- include "docket.resource" (dict "root" .root "resource" $component "name" .name) }}
{{- end }}

{{/* A resource of dapr/*.yaml with the labels of the chart. Takes the root, `resource`, and `name` if it is another one. */}}
{{- define "docket.resource" -}}
{{- $labels := include "docket.labels" .root | fromYaml }}
{{- $metadata := dict "name" (.name | default .resource.metadata.name) "labels" $labels }}
{{- $_ := set .resource "metadata" $metadata }}
{{- toYaml .resource }}
{{- end }}
