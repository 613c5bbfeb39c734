export { copyRows } from './copy-rows';
export { widenLabels } from './widen-labels';
