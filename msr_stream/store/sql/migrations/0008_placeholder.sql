-- Nothing: its number is another migration's.
SELECT 1;
