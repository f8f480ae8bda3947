-- Runs once, when the demo's source database is created: `app` is the application, `debezium` captures.
CREATE ROLE app LOGIN PASSWORD 'app';
ALTER DATABASE source OWNER TO app;
CREATE ROLE debezium LOGIN REPLICATION PASSWORD 'debezium';
