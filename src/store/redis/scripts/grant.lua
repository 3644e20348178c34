-- ARGV: grant
return read_grant(ARGV[1]) or {}
