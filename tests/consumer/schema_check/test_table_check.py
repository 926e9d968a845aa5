"""Live tables that agree with a write's requirements, and tables that do not."""

import re
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.schema_check import FAULT, NOTE, ORDERS, SCHEMA, check, execute

PLACE = f"{SCHEMA}.Our Orders"


@pytest.mark.parametrize(
    "change",
    [
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE text',
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE varchar(21)',
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric",
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric(14, 3)",
        "CREATE DOMAIN sku AS text NOT NULL CHECK (value <> ''); ALTER TABLE stock ALTER sku TYPE sku",
        "ALTER TABLE stock ALTER quantity TYPE bigint",
        "ALTER TABLE stock ALTER quantity TYPE numeric(10)",
        "ALTER TABLE stock ADD note text NOT NULL DEFAULT ''",
        "ALTER TABLE stock ADD number int GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE stock ADD double int GENERATED ALWAYS AS (quantity * 2) STORED",
        "CREATE DOMAIN zero AS int NOT NULL DEFAULT 0; ALTER TABLE stock ADD number zero",
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX ON stock (sku) INCLUDE (quantity)",
        f'ALTER TYPE "{SCHEMA}"."Order State" ADD VALUE \'lost\'',
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY",
    ],
)
def test_harmless_differences_pass(made: Engine, change: str) -> None:
    """A wider type, a domain, a column that Postgres fills, or another form of the key is no finding."""
    execute(made, *change.split("; "))
    assert check(made) == []


def test_partitions_agree(made: Engine) -> None:
    """A partitioned table is checked as a table."""
    execute(
        made,
        "DROP TABLE stock",
        "CREATE TABLE stock (sku text PRIMARY KEY, quantity int NOT NULL DEFAULT 0) PARTITION BY HASH (sku)",
    )
    assert check(made) == []


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    (
        f'ALTER TABLE {ORDERS} ALTER "Customer Name" TYPE varchar(19)',
        {"kind": "placed", "column": "Customer Name", "field": "customer", "table": PLACE},
        "declared as VARCHAR(20) and is character varying(19) in the database",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER total TYPE numeric(12, 1)",
        {"kind": "placed", "column": "total", "field": "total"},
        "declared as NUMERIC(12, 2) and is numeric(12,1)",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER placed_at TYPE timestamp(3) with time zone",
        {"kind": "placed", "column": "placed_at", "field": "placed_at"},
        "timestamp(3) with time zone in the database",
    ),
    (
        f"ALTER TABLE {ORDERS} ALTER changed_at TYPE timestamp",
        {"kind": "changed", "column": "changed_at", "field": "changed_at"},
        "timestamp without time zone in the database",
    ),
    (
        "ALTER TABLE stock ALTER quantity TYPE smallint",
        {"kind": "adjusted", "column": "quantity", "field": "delta", "table": "public.stock"},
        "declared as INTEGER and is smallint",
    ),
    (
        'ALTER TABLE "Visits" ALTER "The Path" SET DATA TYPE varchar(100)',
        {"kind": "visited", "column": "The Path", "field": "path", "table": "public.Visits"},
        "declared as VARCHAR and is character varying(100)",
    ),
    (
        'ALTER TABLE "Visits" ALTER referrer SET NOT NULL',
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "the write may set the column to null, but it is NOT NULL in the database",
    ),
    (
        'CREATE DOMAIN given AS text NOT NULL; ALTER TABLE "Visits" ALTER referrer TYPE given',
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "the write may set the column to null",
    ),
    (
        'ALTER TABLE "Visits" ADD "Browser" text NOT NULL',
        {"kind": "visited", "column": "Browser", "field": None},
        "the column is NOT NULL, has no default and gets no field",
    ),
    (
        'ALTER TABLE "Visits" DROP "The Path"; ALTER TABLE "Visits" ADD "the path" text',
        {"kind": "visited", "column": "The Path", "field": "path"},
        "there is no such column; there is 'the path', and case matters",
    ),
    (
        (
            'ALTER TABLE "Visits" DROP referrer; '
            "ALTER TABLE \"Visits\" ADD referrer text GENERATED ALWAYS AS ('x') STORED"
        ),
        {"kind": "visited", "column": "referrer", "field": "referrer"},
        "Postgres generates the column",
    ),
    (
        "ALTER TABLE stock ALTER quantity DROP DEFAULT, ALTER quantity ADD GENERATED ALWAYS AS IDENTITY",
        {"kind": "adjusted", "column": "quantity", "field": "delta"},
        "Postgres generates the column",
    ),
    (
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey",
        {"kind": "adjusted", "column": None, "table": "public.stock"},
        "'sku' has no unique index that ON CONFLICT can use",
    ),
    (
        "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX part ON stock (sku) WHERE quantity > 0",
        {"kind": "adjusted"},
        "('part' covers only a part of the rows)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; "
            "ALTER TABLE stock ADD CONSTRAINT late UNIQUE (sku) DEFERRABLE INITIALLY IMMEDIATE"
        ),
        {"kind": "adjusted"},
        "('late' is deferrable)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX halfway ON stock (sku); "
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'halfway'::regclass"
        ),
        {"kind": "adjusted"},
        "('halfway' is invalid, because its build failed)",
    ),
    (
        (
            "ALTER TABLE stock DROP CONSTRAINT stock_pkey; CREATE UNIQUE INDEX ON stock (lower(sku)); "
            "CREATE UNIQUE INDEX ON stock (sku, quantity)"
        ),
        {"kind": "adjusted"},
        "unique",
    ),
    (
        f"ALTER TYPE \"{SCHEMA}\".\"Order State\" RENAME VALUE 'it''s shut' TO 'shut'",
        {"kind": "changed", "column": "state", "field": "state"},
        'the type "Ware House"."Order State" lacks the label "it\'s shut"',
    ),
    (
        f'ALTER TYPE "{SCHEMA}"."Order State" RENAME TO state',
        {"kind": "changed", "column": "state", "field": "state"},
        'the declared type "Ware House"."Order State" does not exist',
    ),
    (
        f"DROP TABLE {ORDERS}",
        {"kind": "placed", "column": None, "table": PLACE},
        "there is no such table",
    ),
    (
        f'ALTER TABLE {ORDERS} SET SCHEMA public; ALTER TABLE public."Our Orders" RENAME TO "our orders"',
        {"kind": "placed", "table": PLACE},
        "there is no such table; there is 'public.our orders'",
    ),
    (
        f'ALTER TABLE stock SET SCHEMA "{SCHEMA}"',
        {"kind": "adjusted", "table": "stock"},
        "no such table on the role's search_path; there is 'Ware House.stock'",
    ),
    (
        "DROP TABLE stock; CREATE MATERIALIZED VIEW stock AS SELECT 'a' AS sku, 1 AS quantity",
        {"kind": "adjusted", "table": "public.stock"},
        "the relation is neither a table nor a view",
    ),
    (
        "DROP TABLE stock; CREATE VIEW stock AS SELECT 'a'::text AS sku, 1 AS quantity",
        {"kind": "adjusted", "table": "public.stock"},
        "the view does not accept INSERT and UPDATE",
    ),
    (
        "DROP TABLE penstock.tombstone",
        {"kind": None, "table": "penstock.tombstone"},
        "there is no such table",
    ),
    (
        "ALTER TABLE penstock.ledger DROP COLUMN settled_at",
        {"kind": None, "table": "penstock.ledger", "column": "settled_at", "field": None},
        "there is no such column",
    ),
    (
        "DROP SCHEMA penstock CASCADE",
        {"kind": None, "hint": "run `penstock db upgrade`"},
        "Penstock's own tables do not exist",
    ),
    (
        "DELETE FROM penstock.alembic_version",
        {"kind": None, "hint": "run `penstock db upgrade`"},
        "Penstock's own migrations 0001, 0002",
    ),
    (
        "UPDATE penstock.alembic_version SET version_num = '0001'",
        {"kind": None, "hint": "run `penstock db upgrade`"},
        "Penstock's own migrations 0002",
    ),
]


@pytest.mark.parametrize(("damage", "where", "problem"), BROKEN)
def test_damage_is_found_and_the_hint_repairs_it(
    made: Engine, damage: str, where: dict[str, Any], problem: str
) -> None:
    """Damage is a fault with kind, field and column, and the SQL in its hint repairs it."""
    execute(made, *damage.split("; "))
    findings = check(made)
    matching = [one for one in findings if all(getattr(one, name) == value for name, value in where.items())]
    assert [one for one in matching if problem in one.problem and one.severity == FAULT], findings
    hints = {(one.hint or "").partition(", or ")[0] for one in findings}
    statements = [hint for hint in hints if re.match(r"(ALTER|CREATE|GRANT) [^…]*$", hint)]
    if statements:
        execute(made, *statements)
        assert check(made) == []


def test_a_column_that_a_deletion_empties_must_be_nullable(made: Engine) -> None:
    """A deletion sets older columns to null in a row with newer ones: NOT NULL with a default is a fault."""
    execute(made, f"ALTER TABLE {ORDERS} ALTER state SET DEFAULT 'open', ALTER state SET NOT NULL")
    # The default alone is a fault of the kinds that insert the row, too.
    (finding,) = (found for found in check(made) if "the column defaults to" not in found.problem)
    assert (finding.kind, finding.column, finding.field) == ("removed", "state", None)
    assert "may set the column to null" in finding.problem


def test_an_updatable_view_passes(made: Engine) -> None:
    """An updatable view passes, with a note that its key cannot be checked."""
    execute(made, "ALTER TABLE stock RENAME TO shelf", "CREATE VIEW stock AS SELECT * FROM shelf")
    (finding,) = check(made)
    assert (finding.severity, finding.kind) == (NOTE, "adjusted")
    assert "cannot determine whether 'sku' is unique" in finding.problem
