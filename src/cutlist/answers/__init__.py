"""What there is to say of queries and tables: their columns, what they read and drop, how two differ; plots, sheets."""
