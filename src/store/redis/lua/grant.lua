local old = read(ARGV[2])
if not old then return {} end
return {ARGV[2], unpack(old)}
