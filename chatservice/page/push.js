// Push messages: the server tells this browser of private talk and mentions while no page is open.

import {preferences} from './connection.js';

const worker = () => navigator.serviceWorker?.getRegistration();

// Whether this browser can be told, and the server tells.
export async function isPossible(session) {
  if (!session.state.registered || !(await worker())?.pushManager) return false;
  return session.request('pushkey').then(() => true, () => false);
}

export async function subscribe(session) {
  const {key} = await session.request('pushkey');
  const {pushManager} = await worker();
  const options = {userVisibleOnly: true, applicationServerKey: key};
  const found = await pushManager.subscribe(options).catch(async (error) => {
    if (error.name !== 'InvalidStateError') throw error;
    // The browser listens to the key that this server had before.
    await (await pushManager.getSubscription()).unsubscribe();
    return pushManager.subscribe(options);
  });
  const {endpoint, keys} = found.toJSON();
  await session.request('push', {endpoint, ...keys});
}

export async function unsubscribe(session) {
  preferences.set('push', false);
  const found = await (await worker())?.pushManager?.getSubscription();
  if (!found) return;
  await found.unsubscribe();
  await session.request('unpush', {endpoint: found.endpoint});
}

// A subscription ends with the password that its user came in with; the wish for it does not.
export async function renew(session) {
  if (preferences.all.push && session.state.registered && Notification.permission === 'granted') await subscribe(session);
}
