/** What piscina's workers do. */
export default () => {};
