export { copyBox } from './copy-box';
export { copyLabels } from './copy-labels';
export { fillBox } from './fill-box';
export { widenLabels } from './widen-labels';
