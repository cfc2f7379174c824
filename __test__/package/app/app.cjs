const { job } = require('./job.cjs')

job(require('gaiwan'), require('gaiwan/blobs')).then((outcome) => console.log(JSON.stringify(outcome)))
