SELECT day, symbol, start_at FROM {table} WHERE NOT final
