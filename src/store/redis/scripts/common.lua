-- What all scripts share. KEYS[1] is what every key of this store begins with.
--
-- Keys, each with a lifetime:
--   grant:GRANT        hash: the tokens of (app, organization, user), sealed
--   login:LOGIN        hash: one browser; or a tombstone (field "ended") of one that was logged out
--   logins:GRANT       sorted set: the logins of a grant, by the time they expire
--   all, org:ORG, user:ORG:USER
--                      sorted sets: the grants to list, by the time they expire
--   lease:GRANT, once:VALUE
--
-- Every time below is this server's. Callers send durations, so their clocks need not agree.
local p = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function grant_key(g) return p .. 'grant:' .. g end
local function login_key(l) return p .. 'login:' .. l end
local function logins_key(g) return p .. 'logins:' .. g end

-- A key whose value is of another type than ours was put there by someone else: it makes room.
local function hold(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end

-- Lets a key live for at least so long, never shorter than before.
local function prolong(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end

-- Files a member under a sorted set until it expires, and takes a few that have expired out.
local function file(set, member, ms)
  hold(set, 'zset')
  redis.call('ZADD', set, now + ms, member)
  local over = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, 100)
  if #over > 0 then redis.call('ZREM', set, unpack(over)) end
  prolong(set, ms)
end

local function indexes(g)
  local org, user = string.match(g, '^%w+:(%w+):(%w+)$')
  return { p .. 'all', p .. 'org:' .. org, p .. 'user:' .. org .. ':' .. user }
end

-- The fields of a grant in the order that the Rust side reads them; nil when there is none.
local function read_grant(g)
  local key = grant_key(g)
  if redis.call('TYPE', key).ok ~= 'hash' then return nil end
  return redis.call('HMGET', key, 'format', 'lineage', 'revision', 'updated', 'expires', 'sealed')
end

-- Writes a grant over whatever there was. f is in the order of read_grant. Since it deletes first, a server without
-- memory still takes a rotated token in place of the one that is spent.
local function put_grant(g, ms, f)
  local key = grant_key(g)
  redis.call('DEL', key)
  if ms <= 0 then return end
  redis.call('HSET', key, 'format', f[1], 'lineage', f[2], 'revision', f[3], 'updated', f[4], 'expires', f[5],
    'sealed', f[6])
  redis.call('PEXPIRE', key, ms)
  for _, set in ipairs(indexes(g)) do file(set, g, ms) end
end

local function remove_grant(g)
  redis.call('DEL', grant_key(g), logins_key(g))
  for _, set in ipairs(indexes(g)) do
    hold(set, 'zset')
    redis.call('ZREM', set, g)
  end
end

local function grant_of(l)
  local key = login_key(l)
  if redis.call('TYPE', key).ok ~= 'hash' then return false end
  local g = redis.call('HGET', key, 'grant')
  return g and string.match(g, '^%w+:%w+:%w+$') or false
end

-- An answer: a word, followed by a grant's fields if there are any.
local function answer(word, f)
  local out = { word }
  for i = 1, 6 do if f then out[i + 1] = f[i] end end
  return out
end

local function slice(from) return { unpack(ARGV, from, from + 5) } end
