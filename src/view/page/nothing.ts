/** In the place of modules that the bundle leaves out. */
export default null;
