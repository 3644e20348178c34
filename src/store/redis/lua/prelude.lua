-- Shared by all scripts. ARGV[1] is the prefix of every key. A grant `g` is written app:org:user.
local P = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function grant_key(g) return P .. 'grant:' .. g end
-- The logins of a grant, by expiry.
local function logins_key(g) return P .. 'logins:' .. g end
local function login_key(l) return P .. 'login:' .. l end
-- That a login was ended: its creation may still be on its way.
local function ended_key(l) return P .. 'ended:' .. l end
-- The grants of an organization, and all grants, by expiry.
local function org_key(g) return P .. 'org:' .. string.match(g, '^[^:]*:([^:]*):') end
local ALL = P .. 'all'

local function read(g)
  local found = redis.call('HMGET', grant_key(g), 'version', 'sealed', 'updated', 'expires')
  return found[1] and found
end

-- A key's life is never cut short by this.
local function extend(key, ttl)
  if ttl > redis.call('PTTL', key) then redis.call('PEXPIRE', key, ttl) end
end

local function index(key, member, ttl)
  redis.call('ZADD', key, 'GT', now + ttl, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  extend(key, ttl)
end

local function put(g, version, sealed, updated, expires, ttl)
  local key = grant_key(g)
  ttl = math.max(tonumber(ttl), redis.call('PTTL', key))
  if ttl <= 0 then return end
  redis.call('HSET', key, 'version', version, 'sealed', sealed, 'updated', updated, 'expires', expires)
  redis.call('PEXPIRE', key, ttl)
  index(org_key(g), g, ttl)
  index(ALL, g, ttl)
end

local function drop(g)
  redis.call('DEL', grant_key(g), logins_key(g))
  redis.call('ZREM', org_key(g), g)
  redis.call('ZREM', ALL, g)
end
