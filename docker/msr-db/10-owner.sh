#!/bin/sh
# Runs once, when the history database is created: it belongs to the recorder's user, who is no superuser.
set -e
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
  --set user="$DATABASE_USER" --set password="$DATABASE_PASSWORD" --set name="$POSTGRES_DB" <<'SQL'
CREATE ROLE :"user" LOGIN PASSWORD :'password';
ALTER DATABASE :"name" OWNER TO :"user";
SQL
