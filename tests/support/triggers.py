"""Triggers on the table `things`."""

from sqlalchemy import Engine, text


def add_trigger(engine: Engine, statement: str) -> None:
    """Run a statement of PL/pgSQL before each row that is inserted."""
    body = f"$$ BEGIN {statement}; RETURN NEW; END $$"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS {body}"))
        connection.execute(text("CREATE TRIGGER t BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION meddle()"))
