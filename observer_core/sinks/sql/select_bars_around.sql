-- The two bars before and the two after each of some windows: what coverage and volume of their neighbours follow from.
SELECT wanted.number, bar.*
FROM unnest(%s::date[], %s::text[], %s::timestamptz[]) WITH ORDINALITY AS wanted (day, symbol, start_at, number)
CROSS JOIN LATERAL (
    (SELECT {columns} FROM {table} AS known
     WHERE known.day = wanted.day AND known.symbol = wanted.symbol AND known.start_at < wanted.start_at
     ORDER BY known.start_at DESC LIMIT 2)
    UNION ALL
    (SELECT {columns} FROM {table} AS known
     WHERE known.day = wanted.day AND known.symbol = wanted.symbol AND known.start_at > wanted.start_at
     ORDER BY known.start_at LIMIT 2)
) AS bar
