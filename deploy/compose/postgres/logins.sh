#!/bin/sh
# Run once by the image of PostgreSQL when it makes its data: the database of Docket, the login that owns it, and the one that
# serves, as README.md ("On PostgreSQL") has them. What the roles of the targets may do, `docket migrate up --grant` says.
set -eu

psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set=owner="$DOCKET_OWNER_PASSWORD" --set=server="$DOCKET_SERVER_PASSWORD" <<'SQL'
CREATE ROLE docket_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE docket_server LOGIN NOINHERIT PASSWORD :'server';
CREATE DATABASE docket OWNER docket_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE docket FROM PUBLIC;
SQL
