-- Shared by all scripts. KEYS[1] is the prefix of every key: by its hash tag Redis Cluster finds the server that has them
-- all. A grant `g` is written app:org:user.
local P = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function grant_key(g) return P .. 'grant:' .. g end
-- The logins of a grant, by expiry.
local function logins_key(g) return P .. 'logins:' .. g end
local function login_key(l) return P .. 'login:' .. l end
-- Marks a deleted login: a delayed creation of it may still arrive.
local function ended_key(l) return P .. 'ended:' .. l end
-- The grants of an organization, and all grants, by expiry.
local function org_key(g) return P .. 'org:' .. string.match(g, '^[^:]*:([^:]*):') end
local ALL = P .. 'all'
-- A connection of an owner, those of one owner and all of them by expiry, and those that use a grant.
local function owned_key(o) return P .. 'owned:' .. o end
-- When a connection was ended: a delayed one from before may still arrive.
local function disowned_key(o) return P .. 'disowned:' .. o end
local function owner_key(owner) return P .. 'owner:' .. owner end
local function owners_key(g) return P .. 'owners:' .. g end
local OWNED = P .. 'allowned'
local function lease_key(name) return P .. 'lease:' .. name end
-- Marks what may happen once.
local function once_key(name) return P .. 'once:' .. name end
-- How far a consumer of events is. Without a lifetime.
local function position_key(c) return P .. 'position:' .. c end

local function is(key, kind) return redis.call('TYPE', key).ok == kind end

-- A value of another type does not come from these scripts: it is deleted.
local function own(key, kind)
  if not is(key, kind) then redis.call('DEL', key) end
end

-- The grant of a login; false if the login is absent.
local function grant_of(l)
  if not is(login_key(l), 'hash') then return false end
  local g = redis.call('HGET', login_key(l), 'grant')
  return g and string.match(g, '^%w+:%w+:%w+$') or false
end

-- Makes absent fields empty: a nil would end the list. An empty time or seal is invalid, so the record counts as corrupt.
local function whole(fields, n)
  for i = 1, n do fields[i] = fields[i] or '' end
  return fields
end

local function read(g)
  if not is(grant_key(g), 'hash') then return nil end
  local found = redis.call('HMGET', grant_key(g), 'version', 'sealed', 'updated', 'expires')
  return found[1] and whole(found, 4)
end

-- Never shortens the lifetime of a key.
local function extend(key, ttl)
  if ttl > redis.call('PTTL', key) then redis.call('PEXPIRE', key, ttl) end
end

local function index(key, member, ttl)
  own(key, 'zset')
  redis.call('ZADD', key, 'GT', now + ttl, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  extend(key, ttl)
end

-- Until when the members of an index need a grant; 0 if there are none.
local function last_of(key)
  if not is(key, 'zset') then return 0 end
  local last = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  local score = last[2] and tonumber(last[2]) or 0
  return score > now and score or 0
end

local function has_owners(g) return last_of(owners_key(g)) > 0 end

local function put(g, version, sealed, updated, expires, ttl)
  local key = grant_key(g)
  own(key, 'hash')
  local owned_until = last_of(owners_key(g))
  if owned_until > tonumber(expires) then expires = string.format('%.0f', owned_until) end
  ttl = math.max(tonumber(ttl), redis.call('PTTL', key), owned_until - now)
  if ttl <= 0 then return end
  redis.call('HSET', key, 'version', version, 'sealed', sealed, 'updated', updated, 'expires', expires)
  redis.call('PEXPIRE', key, ttl)
  index(org_key(g), g, ttl)
  index(ALL, g, ttl)
end

local function drop_logins(g)
  own(logins_key(g), 'zset')
  for _, login in ipairs(redis.call('ZRANGE', logins_key(g), 0, -1)) do
    redis.call('DEL', login_key(login))
  end
end

local function drop(g)
  redis.call('DEL', grant_key(g), logins_key(g))
  for _, key in ipairs({org_key(g), ALL}) do
    own(key, 'zset')
    redis.call('ZREM', key, g)
  end
end

-- The grant of a connection; false if the connection is absent.
local function grant_of_owned(o)
  if not is(owned_key(o), 'hash') then return false end
  local g = redis.call('HGET', owned_key(o), 'grant')
  return g and string.match(g, '^%w+:%w+:%w+$') or false
end

-- Deletes and returns a grant that nothing needs any more; otherwise it expires with the last of its logins and owners, and
-- no earlier than `keep` milliseconds after its last change.
local function release(g, keep)
  local needed = math.max(last_of(logins_key(g)), last_of(owners_key(g)))
  local old = read(g)
  keep = tonumber(keep)
  if old and keep > 0 then needed = math.max(needed, (tonumber(old[3]) or 0) + keep) end
  if needed <= now then
    drop(g)
    return old
  end
  if old then
    redis.call('HSET', grant_key(g), 'expires', string.format('%.0f', needed))
    redis.call('PEXPIRE', grant_key(g), needed - now)
    redis.call('ZADD', org_key(g), needed, g)
    redis.call('ZADD', ALL, needed, g)
  end
  return nil
end
