"""The function that writes a set of intents, and finds those that Postgres refuses."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the function. No table is locked.

    It gets two statements of a kind, which write the intents from `low` to `high`. The first one skips what took
    effect before, and gets the whole set. If Postgres refuses an intent of it, that one is looked for with the
    second statement, which is shorter. Usually the error has values of the row at fault: the intent with the most
    of them is tried alone, and what comes before and after it. Otherwise the half is looked for that has it, and
    so on. A guess is only where to look: what is refused was tried alone, and all others were written. It returns
    the place of each refused intent, the SQLSTATE, and the names of the table, the column and the constraint.

    A set with many refused intents is given up, as it may not be they that are at fault: of the rest it returns
    the places alone. An error that no smaller set would avoid is raised again, and so is that of an id which the
    ledger has. Everything is executed as the caller, and in the caller's search path.
    """
    op.execute(
        r"""
        CREATE OR REPLACE FUNCTION penstock.write_set(
            statement text, strictly text,
            length integer, uuids uuid[], times timestamptz[], texts text[], records json,
            OUT stale bigint, OUT duplicates uuid[], OUT refused jsonb
        ) LANGUAGE plpgsql AS $$
        DECLARE
            most constant integer := 20;
            low integer := 1;
            high integer := length;
            -- From `low` to here there is a refused intent, probably the one at `guess`.
            suspect integer;
            guess integer;
            words text[];
            details text;
            namespace text;
            relation text;
            field text;
            rule text;
            some_stale bigint;
        BEGIN
            stale := 0;
            refused := '[]';
            WHILE low <= length LOOP
                BEGIN
                    IF suspect IS NULL AND low = 1 THEN
                        EXECUTE statement INTO some_stale, duplicates
                            USING length, uuids, times, texts, records, low, high;
                    ELSE
                        EXECUTE strictly USING length, uuids, times, texts, records, low, high;
                        GET DIAGNOSTICS some_stale = ROW_COUNT;
                    END IF;
                    stale := stale + some_stale;
                    low := high + 1;
                    IF high = suspect THEN
                        suspect := NULL;
                    END IF;
                EXCEPTION WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS details = PG_EXCEPTION_DETAIL, namespace = SCHEMA_NAME,
                        relation = TABLE_NAME, field = COLUMN_NAME, rule = CONSTRAINT_NAME;
                    -- Connections, transactions, locks, resources, operators, the system, internal errors; or an
                    -- id that the ledger has: another batch has the same intents, and waits for locks of this one.
                    IF SQLSTATE ~ '^(08|25|40|53|55|57|58|XX)'
                        OR (namespace = 'penstock' AND relation = 'ledger') THEN
                        RAISE;
                    END IF;
                    IF low = high THEN
                        refused := refused || pg_catalog.jsonb_build_array(
                            pg_catalog.jsonb_build_array(low, SQLSTATE, relation, field, rule));
                        low := low + 1;
                        suspect := NULL;
                    ELSE
                        suspect := high;
                        words := COALESCE(words, uuids::text[] || texts);
                        SELECT low + intent.number - 1 AS place INTO guess
                          FROM pg_catalog.generate_series(0, pg_catalog.cardinality(words) / length - 1)
                               AS keys (k),
                               pg_catalog.unnest(words[keys.k * length + low : keys.k * length + high])
                               WITH ORDINALITY AS intent (item, number)
                         WHERE pg_catalog.char_length(intent.item) > 3
                           AND pg_catalog.strpos(details, intent.item) > 0
                         GROUP BY place ORDER BY pg_catalog.count(*) DESC, place LIMIT 1;
                    END IF;
                END;
                IF pg_catalog.jsonb_array_length(refused) >= most THEN
                    WHILE low <= length LOOP
                        refused := refused || pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_array(low));
                        low := low + 1;
                    END LOOP;
                END IF;
                high := CASE
                    WHEN suspect IS NULL THEN length
                    WHEN guess = low THEN low
                    WHEN guess BETWEEN low AND suspect THEN guess - 1
                    ELSE (low + suspect) / 2
                END;
            END LOOP;
        END
        $$
        """
    )


def downgrade() -> None:
    """Drop the function. Drains that know it write without it, more slowly."""
    op.execute("DROP FUNCTION penstock.write_set")
