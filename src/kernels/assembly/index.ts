export { copyBox } from './copy-box';
export { copyLabels } from './copy-labels';
export { widenLabels } from './widen-labels';
