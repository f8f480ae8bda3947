"""How the parts of a stack find one another, and how others find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from msr_local.stack import Stack


def worker_settings(stack: Stack) -> dict[str, str]:
    """The environment variables that every worker of a stack is set up with."""
    return {
        "KAFKA_BROKERS": stack.kafka.brokers,
        "CONNECT_URL": stack.connect.url,
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(stack.ports.postgres),
        "DATABASE_NAME": "history",
        "DATABASE_USER": "aoh_msr_user",
        "DATABASE_PASSWORD": "aoh_msr_user",
        "DATABASE_SCHEMA": "msr",
        "IAMS_JWKS_FILE": str(stack.tokens.jwks_file),
        "IAMS_KEYCLOAK_URL": stack.tokens.issuer,
        "SOURCE_DSNS": f"{stack.prefix}={stack.postgres.dsn('source', 'debezium')}",
        "LOG_LEVEL": "info",
    }


def pids(stack: Stack) -> dict[str, Any]:
    """The process ids by service: a list for the workers."""
    single = {one.name: one.pid for one in (stack.postgres, stack.kafka, stack.connect, stack.simulator)}
    return {"worker": [worker.pid for worker in stack.workers], **single}


def endpoints(stack: Stack) -> dict[str, Any]:
    """Where everything is: what `.local/endpoints.json` holds."""
    return {
        "api": f"http://127.0.0.1:{stack.ports.app}",
        "source_dsn": stack.source_dsn,
        "history_dsn": stack.history_dsn,
        "kafka": stack.kafka.brokers,
        "connect": stack.connect.url,
        "metrics": [worker.metrics_url for worker in stack.workers],
        "tokens": stack.tokens.ensure(),
        "pids": pids(stack),
    }
