local old = read(ARGV[1])
if not old then return {} end
return {ARGV[1], unpack(old)}
