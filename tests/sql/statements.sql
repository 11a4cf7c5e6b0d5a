-- Statements that tools send, each under its name: those of the CLI, then those of the web UI, then
-- a look at every table. `{broken}` and the like are the ids of the invocations that `compare`
-- makes, `{dp}` is the deployment. What follows `ordered` is compared in order.

-- cli-1-in-flight-of-deployment
SELECT COUNT(1) AS inv_count FROM sys_invocation_status WHERE pinned_deployment_id = '{dp}' AND status != 'completed'

-- cli-2-in-flight-by-handler
SELECT target_service_name as service, target_handler_name as handler, COUNT(1) AS inv_count FROM sys_invocation_status WHERE pinned_deployment_id='{dp}' AND status != 'completed' GROUP BY pinned_deployment_id, target_service_name, target_handler_name

-- cli-3-pending
SELECT target_service_name, target_handler_name, 'pending' as status, COUNT(1) as num_invocations, MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation FROM sys_invocation_status WHERE status == 'inboxed' AND target_service_name IN ('Counter','Echo') GROUP BY target_service_name, target_handler_name

-- cli-4-by-status ordered
SELECT target_service_name, target_handler_name, status, COUNT(1) as num_invocations, MIN(created_at) as oldest_at, FIRST_VALUE(id ORDER BY created_at ASC) as oldest_invocation FROM sys_invocation WHERE target_service_name IN ('Counter','Broken','ZeroBlock') GROUP BY target_service_name, target_handler_name, status ORDER BY target_handler_name, status, target_service_name

-- cli-5-inbox ordered
SELECT service_name, service_key, COUNT(1) as num_pending FROM sys_inbox WHERE service_name IN ('Counter','KV') GROUP BY service_name, service_key ORDER BY num_pending DESC

-- cli-6-locks
SELECT target_service_name as service_name, target_service_key as service_key, status as invocation_status, first_value(id) as invocation_holding_lock, first_value(target_handler_name) as invocation_method_holding_lock, first_value(created_at) as invocation_created_at, first_value(modified_at) as modified_at, first_value(pinned_deployment_id) as pinned_deployment_id, first_value(last_attempt_deployment_id) as last_attempt_deployment_id, first_value(last_failure) as last_failure_message, first_value(next_retry_at) as next_retry_at, first_value(last_start_at) as last_start_at, 0 as num_pending, sum(retry_count) as num_retries FROM sys_invocation WHERE status != 'pending' AND target_service_name IN ('Counter','ZeroBlock') GROUP BY target_service_name, target_service_key, status

-- cli-7-list ordered
SELECT id FROM sys_invocation inv WHERE status != 'completed' ORDER BY inv.created_at DESC, inv.id LIMIT 100

-- cli-8-details ordered
SELECT inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at, inv.modified_at as state_modified_at, inv.pinned_deployment_id, inv.retry_count as num_retries, inv.last_failure as last_failure_message, inv.last_failure_related_entry_index as last_failure_entry_index, inv.last_failure_related_entry_name as last_failure_entry_name, inv.last_failure_related_entry_type as last_failure_entry_ty, inv.last_attempt_deployment_id, inv.last_attempt_server, inv.next_retry_at, inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target, inv.trace_id, inv.completion_result, inv.completion_failure, dp.id IS NOT NULL as pinned_deployment_exists FROM sys_invocation inv LEFT JOIN sys_deployment dp ON dp.id = inv.pinned_deployment_id WHERE inv.id in ('{broken}', '{done}', '{failed}', '{running}', '{waiting}', '{suspended}', '{later}', '{paused}', '{caller}') ORDER BY inv.created_at ASC, inv.id

-- cli-9-count
SELECT COUNT(1) FROM (SELECT * FROM sys_invocation inv LIMIT 50000) WHERE inv.status != 'completed'

-- cli-10-columns
SELECT COUNT(*) FROM information_schema.columns WHERE table_name='sys_journal' AND column_name IN ('promise_name')

-- cli-10-more-columns
SELECT COUNT(*) FROM information_schema.columns WHERE table_name='sys_journal' AND column_name IN ('version','entry_json','appended_at')

-- cli-11-journal-of-caller ordered
SELECT sj.index, sj.entry_type, sj.completed, sj.invoked_id, sj.invoked_target, sj.sleep_wakeup_at, sj.name, sj.promise_name, sj.version, sj.entry_json, sj.appended_at FROM sys_journal sj WHERE sj.id='{caller}' ORDER BY index DESC LIMIT 100

-- cli-11-journal-of-workflow ordered
SELECT sj.index, sj.entry_type, sj.completed, sj.name, sj.promise_name, sj.version, sj.entry_json FROM sys_journal sj WHERE sj.id='{workflow}' ORDER BY index DESC LIMIT 100

-- cli-11-journal-of-state ordered
SELECT sj.index, sj.entry_type, sj.name, sj.entry_json FROM sys_journal sj WHERE sj.id='{kv}' ORDER BY index DESC LIMIT 100

-- cli-11-journal-of-failed ordered
SELECT sj.index, sj.entry_type, sj.name, sj.entry_json FROM sys_journal sj WHERE sj.id='{failed}' ORDER BY index DESC LIMIT 100

-- cli-11-journal-of-suspended ordered
SELECT sj.index, sj.entry_type, sj.name, sj.entry_json FROM sys_journal sj WHERE sj.id='{suspended}' ORDER BY index DESC LIMIT 100

-- cli-12-cancel-service
SELECT id, target FROM sys_invocation_status WHERE target LIKE 'Counter/%' AND status != 'completed' LIMIT 500

-- cli-12-cancel-handler
SELECT id, target FROM sys_invocation_status WHERE ((target='Counter/add' AND target_service_ty='service') OR (target LIKE 'Counter/add/%' AND target_service_ty != 'service')) AND status != 'completed' LIMIT 500

-- cli-12-cancel-key
SELECT id, target FROM sys_invocation_status WHERE target LIKE 'Counter/c1/add' AND status IN ('invoked','suspended','inboxed') LIMIT 500

-- cli-12-purge
SELECT id, target FROM sys_invocation_status WHERE id='{done}' AND status = 'completed' LIMIT 500

-- cli-12-pause
SELECT id, target FROM sys_invocation_status WHERE target LIKE 'Broken/%' AND status IN ('invoked','suspended') LIMIT 500

-- cli-12-resume
SELECT id, target FROM sys_invocation_status WHERE ((target='Pausing/work' AND target_service_ty='service') OR (target LIKE 'Pausing/work/%' AND target_service_ty != 'service')) AND status IN ('paused','invoked','suspended') LIMIT 500

-- cli-12-restart
SELECT id, target FROM sys_invocation_status WHERE id='{done}' AND status = 'completed' LIMIT 500

-- cli-13-state
select key, value from state where service_name='KV' and service_key='k1' ;

-- cli-14-state-of-service
SELECT service_name, service_key, key, value FROM state WHERE service_name='KV'

-- cli-15-rules ordered
SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules ORDER BY pattern

-- cli-16-rule
SELECT pattern, concurrency, description, disabled, version, last_modified FROM sys_rules WHERE pattern='a'

-- cli-17-queues
SELECT id, is_active, queue_is_paused, service_name, scope, limit_key, lock_name, created_at, last_enqueued_at, last_start_at, last_attempt_at, last_finish_at, num_inbox, num_running, num_suspended, num_paused, num_finished FROM sys_vqueue_meta LIMIT 100

-- cli-18-queue
SELECT id, is_active, queue_is_paused, service_name, scope, limit_key, lock_name, created_at, last_enqueued_at, last_start_at, last_attempt_at, last_finish_at, num_inbox, num_running, num_suspended, num_paused, num_finished FROM sys_vqueue_meta WHERE id='vq_none'

-- cli-19-queue
SELECT entry_id, entry_kind, stage, status, has_lock, created_at, num_attempts, deployment FROM sys_vqueues WHERE id='vq_x' ORDER BY sequence_number DESC LIMIT 100

-- cli-20-old-list
WITH invocations AS (SELECT inv.id, inv.target, inv.status, inv.created_at, inv.pinned_deployment_id FROM sys_invocation inv WHERE status != 'completed' ORDER BY inv.created_at ASC LIMIT 100) SELECT inv.id, inv.target, inv.status, dp.id IS NOT NULL as there FROM invocations inv RIGHT JOIN sys_deployment dp ON dp.id = inv.pinned_deployment_id

-- cli-filter-zombies
SELECT id FROM sys_invocation inv WHERE (inv.pinned_deployment_id IS NOT NULL AND inv.pinned_deployment_id NOT IN (select id from sys_deployment))

-- cli-filter-objects
SELECT id FROM sys_invocation inv WHERE inv.target_service_name IN (select name from sys_service where ty = 'virtual_object') AND status = 'pending'

-- cli-filter-deployment
SELECT COUNT(*) AS n FROM sys_invocation inv WHERE (inv.pinned_deployment_id IN ('{dp}') OR inv.last_attempt_deployment_id IN ('{dp}')) AND status = 'completed' AND inv.completion_result = 'failure'

-- ui-counts
SELECT COUNT(1) FILTER (WHERE status = 'completed') AS done, SUM(CASE WHEN status = 'pending' THEN 1 ELSE 0 END) AS pending, COALESCE(SUM(CASE WHEN status = 'nothing' THEN 1 END), 0) AS nothing FROM (SELECT status FROM sys_invocation LIMIT 10000) t

-- ui-duration ordered
SELECT id, CASE WHEN status='scheduled' THEN NULL ELSE COALESCE(completed_at, now()) - COALESCE(scheduled_start_at, created_at) END AS duration FROM sys_invocation WHERE id IN ('{done}', '{later}') ORDER BY duration DESC NULLS LAST

-- ui-longer-than
SELECT id FROM sys_invocation WHERE id IN ('{done}', '{running}') AND COALESCE(completed_at, now()) - created_at < INTERVAL '1 hour'

-- ui-chart
SELECT to_unixtime(date_bin(INTERVAL '60 seconds', completed_at, TIMESTAMP '1970-01-01T00:00:00')) % 60 AS t, COUNT(1) > 0 AS some FROM sys_invocation WHERE completed_at IS NOT NULL GROUP BY t

-- ui-created-after
SELECT COUNT(*) > 5 AS many FROM sys_invocation WHERE created_at >= '2020-01-01T00:00:00.000Z' AND created_at > now() - INTERVAL '1 hour'

-- ui-window ordered
SELECT service_key, key, ROW_NUMBER() OVER (PARTITION BY service_key ORDER BY key) AS n FROM state WHERE service_name = 'KV' ORDER BY service_key, n

-- ui-not-true
SELECT key, completed IS NOT TRUE AS open FROM sys_promise WHERE service_name = 'Approval' AND service_key IN ('w1', 'w2')

-- ui-errors
SELECT event_json ->> 'error_message' AS message, COUNT(DISTINCT id) AS n FROM sys_journal_events WHERE event_type = 'TransientError' AND id = '{broken}' GROUP BY message

-- ui-timeline ordered
SELECT index, entry_type, raw_length > 0 AS has_raw, entry_lite_json FROM sys_journal WHERE id = '{caller}' ORDER BY index

-- ui-timeline-of-workflow ordered
SELECT index, entry_type, entry_lite_json FROM sys_journal WHERE id = '{workflow}' ORDER BY index

-- ui-timeline-of-state ordered
SELECT index, entry_type, entry_lite_json FROM sys_journal WHERE id = '{kv}' ORDER BY index

-- ui-raw ordered
SELECT index, raw, raw_length FROM sys_journal WHERE id = '{kv}' ORDER BY index

-- ui-state-keys ordered
select DISTINCT key from state where service_name = 'KV' GROUP BY key ORDER BY key LIMIT 10

-- ui-state-values
SELECT key, value_length, CASE WHEN value_length <= 4 THEN value END AS small FROM state WHERE service_name = 'KV' AND service_key IN ('k1') AND value_length <= 2048

-- ui-except ordered
SELECT service_key FROM state WHERE service_name = 'KV' EXCEPT SELECT 'k2' ORDER BY service_key

-- ui-union ordered
SELECT name FROM sys_service WHERE name IN ('KV', 'Echo') UNION SELECT service_name FROM state WHERE service_name = 'KV' ORDER BY name

-- ui-substr ordered
SELECT DISTINCT SUBSTR(target, 1, 4) AS head FROM sys_invocation WHERE target NOT LIKE 'Zero%' AND target_service_name <> 'Caller' ORDER BY head

-- ui-large-entries
SELECT sj.id, sj.index FROM sys_journal sj JOIN sys_invocation inv ON inv.id = sj.id WHERE sj.raw_length > 1000 AND inv.target_service_name = 'Echo'

-- values-of-types
SELECT 1 AS i, 2.5 AS f, 'a' AS s, true AS b, 7 / 2 AS d, 'x' || 'y' AS c, upper('a') AS u, NULL AS n, length('abc') AS l, 1 = 1 AS e, date_trunc('hour', TIMESTAMP '2026-01-02T03:04:05') IS NOT NULL AS t

-- aggregates
SELECT COUNT(*) AS n, AVG(value_length) AS a, MIN(key) AS lo, MAX(key) AS hi, SUM(value_length) AS s FROM state WHERE service_name = 'KV'

-- show-columns ordered
SHOW COLUMNS FROM sys_invocation

-- describe ordered
DESCRIBE sys_journal

-- columns-of-all ordered
SELECT table_name, column_name, ordinal_position, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position

-- table-invocation ordered
SELECT * FROM sys_invocation WHERE id IN ('{broken}', '{early}', '{done}', '{failed}', '{running}', '{waiting}', '{suspended}', '{later}', '{paused}', '{caller}', '{killed}') ORDER BY created_at

-- table-status ordered
SELECT * FROM sys_invocation_status WHERE id IN ('{broken}', '{done}', '{failed}', '{running}', '{waiting}', '{suspended}', '{later}') ORDER BY created_at

-- table-state-of-invoker
SELECT * FROM sys_invocation_state WHERE id IN ('{broken}', '{running}', '{suspended}', '{done}')

-- table-events
SELECT * FROM sys_journal_events WHERE id IN ('{broken}', '{suspended}', '{paused}')

-- table-inbox ordered
SELECT * FROM sys_inbox ORDER BY sequence_number

-- table-keyed-status
SELECT * FROM sys_keyed_service_status WHERE service_name IN ('Counter', 'ZeroBlock')

-- table-promise
SELECT * FROM sys_promise WHERE service_name IN ('Approval', 'ZeroApproval')

-- table-state
SELECT * FROM state WHERE service_name = 'KV'

-- table-deployment
SELECT * FROM sys_deployment

-- table-service ordered
SELECT * FROM sys_service WHERE name IN ('Counter', 'Approval', 'Echo', 'Private') ORDER BY name

-- table-locks
SELECT * FROM sys_locks

-- table-limits
SELECT * FROM sys_user_limits

-- table-scheduler
SELECT * FROM sys_scheduler

-- failures-of-codes ordered
SELECT completion_failure FROM sys_invocation WHERE target = 'Errs/terminal' ORDER BY completion_failure
