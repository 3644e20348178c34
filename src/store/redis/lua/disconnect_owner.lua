local o, expected, keep = unpack(ARGV, 1, 3)
local g = grant_of_owned(o)
if g and redis.call('HGET', owned_key(o), 'sealed') ~= expected then return {'changed'} end
local owner = g and redis.call('HGET', owned_key(o), 'owner')
redis.call('DEL', owned_key(o))
if not g then return {'absent'} end
for _, key in ipairs({owners_key(g), owner_key(owner or ''), OWNED}) do
  own(key, 'zset')
  redis.call('ZREM', key, o)
end
local deleted = release(g, keep)
if deleted then return {'deleted', g, g, unpack(deleted)} end
return {'kept', g}
