-- The application whose rows are recorded. Running it again changes nothing.
CREATE SCHEMA IF NOT EXISTS air;
CREATE SCHEMA IF NOT EXISTS sea;
CREATE SCHEMA IF NOT EXISTS ops;

CREATE TABLE IF NOT EXISTS air.flight (
    flight_id text PRIMARY KEY,
    tenant_id text NOT NULL,
    callsign text NOT NULL,
    aircraft_type text NOT NULL,
    squawk text NOT NULL,
    status text NOT NULL,
    route text[] NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    altitude_ft integer NOT NULL,
    speed_kn numeric(6, 1) NOT NULL,
    heading_deg numeric(4, 1) NOT NULL,
    geojson jsonb NOT NULL,
    details jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS air.airspace (  -- shared: no tenant
    code text PRIMARY KEY,
    floor_ft integer NOT NULL,
    ceiling_ft integer NOT NULL,
    active boolean NOT NULL,
    boundary jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS air.plot (  -- comes and goes by the batch
    plot_id bigint PRIMARY KEY,
    tenant_id text NOT NULL,
    sensor text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    amplitude real NOT NULL,
    raw bytea NOT NULL,
    plotted_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS sea.vessel (
    mmsi bigint PRIMARY KEY,
    tenant_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    speed_kn numeric(6, 1) NOT NULL,
    heading_deg numeric(4, 1) NOT NULL,
    draught_m numeric(4, 1) NOT NULL,
    cargo_value numeric(24, 4) NOT NULL,
    ports text[] NOT NULL,
    eta timestamptz,
    geojson jsonb NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS ops.incident (
    incident_id bigint PRIMARY KEY,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    severity integer NOT NULL,
    status text NOT NULL,
    title text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    geojson jsonb NOT NULL,
    tags text[] NOT NULL,
    report text NOT NULL,  -- large, and unchanged by most updates
    photo bytea,
    log jsonb NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS ops.unit (
    unit_code text PRIMARY KEY,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    crew text[] NOT NULL,
    badge bytea NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS ops.assignment (
    incident_id bigint NOT NULL,
    unit_code text NOT NULL,
    tenant_id text NOT NULL,
    role text NOT NULL,
    eta_minutes integer NOT NULL,
    assigned_at timestamptz NOT NULL,
    PRIMARY KEY (incident_id, unit_code)
);

CREATE TABLE IF NOT EXISTS ops.weather (  -- shared: no tenant
    station text PRIMARY KEY,
    wind_kn real NOT NULL,
    rain_mm real NOT NULL,
    gusts real[] NOT NULL,
    readings jsonb NOT NULL,
    observed_at timestamptz NOT NULL
);
