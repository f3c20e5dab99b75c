"""SQL text of the Postgres sink: schema revisions and the writer's named statements, as files."""
