#!/bin/bash
# Makes the login of Docket, and gives it the five topics and its groups, and nothing else. May be run any number of times.
# The administrator's login is in RPK_USER, RPK_PASS and RPK_SASL_MECHANISM.
set -euo pipefail

rpk=(rpk -X brokers=redpanda:9092 -X admin.hosts=redpanda:9644)

if "${rpk[@]}" security user list | grep -qw docket; then
  "${rpk[@]}" security user update docket --new-password "$DOCKET_PASSWORD" --mechanism SCRAM-SHA-256
else
  "${rpk[@]}" security user create docket --new-password "$DOCKET_PASSWORD" --mechanism SCRAM-SHA-256
fi

# To make and change topics is what `docket topics create` does; sidecars read, write and describe them.
"${rpk[@]}" security acl create --allow-principal User:docket --operation all \
  --topic task-events --topic task-updates --topic reminders --topic task-events-dlq --topic reminders-dlq

# docket, docket-tasks, docket-tasks-dead-letters, ...
"${rpk[@]}" security acl create --allow-principal User:docket --operation read --operation describe \
  --resource-pattern-type prefixed --group docket
