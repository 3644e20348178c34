local o = ARGV[1]
local g = grant_of_owned(o)
local owner = g and redis.call('HGET', owned_key(o), 'owner')
redis.call('DEL', owned_key(o))
if not g then return {'absent'} end
for _, key in ipairs({owners_key(g), owner_key(owner or ''), OWNED}) do
  own(key, 'zset')
  redis.call('ZREM', key, o)
end
local deleted = release(g, ARGV[2])
if deleted then return {'deleted', g, g, unpack(deleted)} end
return {'kept', g}
