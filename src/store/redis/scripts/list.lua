-- ARGV: "logins" or "grants", then grants. Gives what there is of each: for a grant its key and six fields, for a login
-- its key and five fields.
local out = {}
local function add(key, fields, n)
  out[#out + 1] = key
  for i = 1, n do out[#out + 1] = fields[i] end
end
for i = 2, #ARGV do
  local g = ARGV[i]
  if ARGV[1] == 'grants' then
    local f = read_grant(g)
    if f then add(g, f, 6) end
  elseif redis.call('TYPE', logins_key(g)).ok == 'zset' then
    for _, l in ipairs(redis.call('ZRANGEBYSCORE', logins_key(g), '(' .. now, '+inf')) do
      if grant_of(l) == g then
        add(l, redis.call('HMGET', login_key(l), 'format', 'grant', 'created', 'seen', 'expires'), 5)
      end
    end
  end
end
return out
