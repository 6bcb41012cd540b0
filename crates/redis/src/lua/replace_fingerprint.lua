-- Replaces the fingerprint of the deployment's secret, if it is still the expected one.
--
-- KEYS   1 the deployment: salt (32 bytes), fingerprint (16 bytes)
-- ARGV   1 expected fingerprint   2 new fingerprint
-- Reply  1 replaced, 0 it was another
if redis.call('GETRANGE', KEYS[1], 32, 47) ~= ARGV[1] then
  return 0
end
redis.call('SETRANGE', KEYS[1], 32, ARGV[2])
return 1
