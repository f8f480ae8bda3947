#!/bin/sh
# Runs once, when the history database is created: it belongs to the recorder's user, who is no superuser and makes no
# roles; the one it takes to answer is made here (DATABASE_READER_ROLE, by its default name).
set -e
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
  --set user="$DATABASE_USER" --set password="$DATABASE_PASSWORD" --set name="$POSTGRES_DB" <<'SQL'
CREATE ROLE :"user" LOGIN PASSWORD :'password';
CREATE ROLE aoh_msr_reader NOLOGIN ROLE :"user";
ALTER DATABASE :"name" OWNER TO :"user";
SQL
