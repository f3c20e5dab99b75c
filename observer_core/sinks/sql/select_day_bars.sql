SELECT {columns} FROM {table} WHERE day = %s
