-- Row ids as a column.
SELECT _rowid AS row_id, * FROM videos WHERE _rowid < 20
